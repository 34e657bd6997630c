//! The shared memory that the table is made of, so that a model can stand in for it and try every order of
//! events. See the [`model`](super::model).

#[cfg(not(claviger_loom))]
pub(super) use real::*;

#[cfg(claviger_loom)]
pub(super) use modelled::*;

#[cfg(not(claviger_loom))]
mod real {
    pub(in crate::index) use std::sync::OnceLock as Once;
    pub(in crate::index) use std::sync::atomic::AtomicU64;

    /// An `Arc` that is swapped whole.
    pub(in crate::index) type Swap<T> = arc_swap::ArcSwap<T>;
    /// What is read of it, for as long as it is held.
    pub(in crate::index) type Held<T> = arc_swap::Guard<std::sync::Arc<T>>;
}

#[cfg(claviger_loom)]
mod modelled {
    use std::sync::{Arc, OnceLock};

    pub(in crate::index) use loom::sync::atomic::AtomicU64;
    use loom::sync::atomic::Ordering::{Acquire, Release};

    /// What is read of a [`Swap`], for as long as it is held.
    pub(in crate::index) type Held<T> = Arc<T>;

    /// Stands for `ArcSwap`.
    #[derive(Debug)]
    pub(in crate::index) struct Swap<T>(loom::sync::RwLock<Arc<T>>);

    impl<T> Swap<T> {
        pub(in crate::index) fn new(value: Arc<T>) -> Self {
            Self(loom::sync::RwLock::new(value))
        }

        pub(in crate::index) fn load(&self) -> Held<T> {
            self.0.read().unwrap().clone()
        }

        pub(in crate::index) fn swap(&self, value: Arc<T>) -> Arc<T> {
            std::mem::replace(&mut *self.0.write().unwrap(), value)
        }
    }

    /// Stands for `OnceLock`: the word makes setting and reading visible to the model.
    #[derive(Debug)]
    pub(in crate::index) struct Once<T> {
        set: AtomicU64,
        value: OnceLock<T>,
    }

    impl<T> Once<T> {
        pub(in crate::index) fn new() -> Self {
            Self { set: AtomicU64::new(0), value: OnceLock::new() }
        }

        pub(in crate::index) fn get(&self) -> Option<&T> {
            if self.set.load(Acquire) == 1 { self.value.get() } else { None }
        }

        pub(in crate::index) fn set(&self, value: T) -> Result<(), T> {
            self.value.set(value)?;
            self.set.store(1, Release);
            Ok(())
        }

        pub(in crate::index) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if self.get().is_none() {
                let _ = self.set(make());
            }
            self.value.get().unwrap()
        }
    }
}
