//! The same work for many things, on all processors.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{Builder, ScopedJoinHandle};

/// Fewer things than these are not worth a thread.
const SMALLEST: usize = 8;

/// Who works on a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The thread that called.
    Callers,
    /// A thread of its own.
    Threads,
}

/// Does `work` on shares of `all`, a share on each processor; what it makes of them, in their order. Where there can be no
/// more threads, the caller's does it.
pub fn in_shares<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&[T], Whose) -> Vec<R> + Sync,
) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut shares = all.chunks(all.len().div_ceil(processors).max(SMALLEST));
    let own = shares.next().unwrap_or_default();
    let work = &work;
    std::thread::scope(|scope| {
        type Begun<'scope, 'all, T, R> = Result<ScopedJoinHandle<'scope, Vec<R>>, &'all [T]>;
        let begin = |share| {
            Builder::new()
                .spawn_scoped(scope, move || work(share, Whose::Threads))
                .map_err(|_| share)
        };
        let others: Vec<Begun<'_, '_, T, R>> = shares.map(begin).collect();
        let mut made = work(own, Whose::Callers);
        for other in others {
            made.extend(match other {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(share) => work(share, Whose::Callers),
            });
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_worked_on_once_and_in_order() {
        for count in [0, 1, SMALLEST, 1000] {
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(in_shares(&all, |share, _| share.to_vec()), all);
        }
    }
}
