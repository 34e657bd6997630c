//! Reading cells. One that does not decode is an inconsistency that names its table and its row.

use std::fmt::{self, Write};
use std::net::IpAddr;

use claviger_core::id::{Id, Tag};
use claviger_core::selector::Version;
use claviger_core::time::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::Result;
use crate::error::StoreError;

/// The bytes of an identifier: big-endian, so that they sort as it does.
pub(super) fn bytes<T: Tag>(id: Id<T>) -> [u8; 16] {
    id.bits().to_be_bytes()
}

/// A row of a table. Its first cell tells which one it is.
pub(super) struct Cells<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r Row<'r>,
}

impl<'r> Cells<'r> {
    pub(super) fn text(&self, at: usize) -> Result<&'r str> {
        self.text_or_none(at)?.ok_or_else(|| self.wrong(at, "is absent"))
    }

    pub(super) fn text_or_none(&self, at: usize) -> Result<Option<&'r str>> {
        match self.row.get_ref(at)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map(Some).map_err(|_| self.wrong(at, "is not UTF-8"))
            }
            _ => Err(self.wrong(at, "is not a text")),
        }
    }

    pub(super) fn number(&self, at: usize) -> Result<i64> {
        self.number_or_none(at)?.ok_or_else(|| self.wrong(at, "is absent"))
    }

    pub(super) fn number_or_none(&self, at: usize) -> Result<Option<i64>> {
        match self.row.get_ref(at)? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            _ => Err(self.wrong(at, "is not a number")),
        }
    }

    /// A number that is never negative.
    pub(super) fn count(&self, at: usize) -> Result<u64> {
        u64::try_from(self.number(at)?).map_err(|_| self.wrong(at, "is negative"))
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool> {
        Ok(self.number(at)? != 0)
    }

    pub(super) fn half(&self, at: usize) -> Result<[u8; 16]> {
        self.half_or_none(at)?.ok_or_else(|| self.wrong(at, "is absent"))
    }

    fn half_or_none(&self, at: usize) -> Result<Option<[u8; 16]>> {
        match self.row.get_ref(at)? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => {
                bytes.try_into().map(Some).map_err(|_| self.wrong(at, "does not have 16 bytes"))
            }
            _ => Err(self.wrong(at, "does not have 16 bytes")),
        }
    }

    pub(super) fn id<T: Tag>(&self, at: usize) -> Result<Id<T>> {
        Ok(Id::from_bits(u128::from_be_bytes(self.half(at)?)))
    }

    pub(super) fn id_or_none<T: Tag>(&self, at: usize) -> Result<Option<Id<T>>> {
        Ok(self.half_or_none(at)?.map(|bytes| Id::from_bits(u128::from_be_bytes(bytes))))
    }

    pub(super) fn timestamp(&self, at: usize) -> Result<Timestamp> {
        self.number(at).map(Timestamp::from_millis)
    }

    pub(super) fn version(&self, at: usize) -> Result<Version> {
        let number = u32::try_from(self.number(at)?).ok();
        number.and_then(Version::new).ok_or_else(|| self.wrong(at, "is not a version"))
    }

    pub(super) fn address_or_none(&self, at: usize) -> Result<Option<IpAddr>> {
        self.text_or_none(at)?.map(|text| text.parse().map_err(|error| self.wrong(at, error))).transpose()
    }

    /// A text that is there, read by `parse`.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        at: usize,
        parse: impl FnOnce(&'r str) -> std::result::Result<T, E>,
    ) -> Result<T> {
        parse(self.text(at)?).map_err(|error| self.wrong(at, error))
    }

    /// A text that may be absent, read by `parse`.
    pub(super) fn parsed_or_none<T, E: fmt::Display>(
        &self,
        at: usize,
        parse: impl FnOnce(&'r str) -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        self.text_or_none(at)?.map(|text| parse(text).map_err(|error| self.wrong(at, error))).transpose()
    }

    /// A word out of a list, read by `parse`.
    pub(super) fn word<T>(&self, at: usize, parse: impl FnOnce(&'r str) -> Option<T>) -> Result<T> {
        parse(self.text(at)?).ok_or_else(|| self.wrong(at, "is not a word that is known here"))
    }

    /// The error for a cell.
    pub(super) fn wrong(&self, at: usize, detail: impl fmt::Display) -> StoreError {
        let column = self.row.as_ref().column_name(at).unwrap_or("?");
        StoreError::Inconsistent {
            table: self.table,
            row: self.name(),
            detail: format!("{column}: {detail}"),
        }
    }

    /// The row as one would name it in SQL.
    fn name(&self) -> String {
        match self.row.get_ref(0) {
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            Ok(ValueRef::Blob(bytes)) => format!("x'{}'", hex(bytes)),
            _ => "?".to_owned(),
        }
    }
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
