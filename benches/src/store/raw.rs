//! What the disk and plain SQLite allow.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use claviger_authority::ports::Ports;
use rusqlite::{Connection, params};

use crate::measure::Bench;

/// About as much as a key's row, its change row and its history row have together.
const ROW_BYTES: usize = 400;
const SYNC: &str = "sync of 4 KiB more in a file";

pub fn group(rows: usize) -> String {
    match rows {
        1 => "plain SQLite, 1 row in a transaction".to_owned(),
        rows => format!("plain SQLite, {rows} rows in a transaction"),
    }
}

pub fn with_line(rows: usize) -> String {
    format!("the same {rows}, and a line synced beside it")
}

/// A file and a database to write to.
pub struct Disk {
    file: File,
    line: File,
    conn: Connection,
    ports: Ports,
}

impl Disk {
    pub fn new(folder: &Path) -> Self {
        let conn = Connection::open(folder.join("raw.sqlite")).expect("a database");
        conn.pragma_update(None, "journal_mode", "WAL").expect("a log");
        conn.pragma_update(None, "synchronous", "FULL").expect("syncs");
        conn.execute_batch("CREATE TABLE rows (id BLOB PRIMARY KEY, cells BLOB) STRICT, WITHOUT ROWID")
            .expect("a table");
        let file = |name: &str| File::create(folder.join(name)).expect("a file");
        Self { file: file("raw"), line: file("raw.lines"), conn, ports: Ports::system() }
    }

    /// One reading of each.
    pub fn round(&mut self, bench: &mut Bench) {
        bench.time(SYNC, |until| {
            let mut done = 0;
            while Instant::now() < until {
                self.file.write_all(&[7; 4_096]).and_then(|()| self.file.sync_data()).expect("a disk");
                done += 1;
            }
            done
        });
        for rows in crate::changes::CLIENTS {
            bench.time(&group(rows), |until| self.transactions(rows, false, until));
        }
        bench.time(&with_line(8), |until| self.transactions(8, true, until));
    }

    fn transactions(&mut self, rows: usize, line: bool, until: Instant) -> usize {
        let mut done = 0;
        while Instant::now() < until {
            done += rows;
            let transaction = self.conn.transaction().expect("a transaction");
            for _ in 0..rows {
                let id = self.ports.bytes::<16>();
                let insert = "INSERT INTO rows VALUES (?1, zeroblob(?2))";
                let mut insert = transaction.prepare_cached(insert).expect("a statement");
                insert.execute(params![id, ROW_BYTES]).expect("a row");
            }
            transaction.commit().expect("a commit");
            if line {
                let text = vec![b'x'; ROW_BYTES * rows];
                self.line.write_all(&text).and_then(|()| self.line.sync_data()).expect("a disk");
            }
        }
        done
    }
}
