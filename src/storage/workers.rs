//! Workers that take jobs off one stack, each of which may lead to more: as many as there are processors.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// More workers wait for the same disk.
const MOST: usize = 8;
/// How often the progress is told.
const REPORT_EVERY: Duration = Duration::from_millis(200);

struct Queue<J> {
    jobs: Vec<J>,
    working: usize,
    failure: Option<Error>,
}

impl<J> Queue<J> {
    fn is_done(&self) -> bool {
        self.working == 0 && (self.jobs.is_empty() || self.failure.is_some())
    }
}

struct Workers<J> {
    queue: Mutex<Queue<J>>,
    /// There are jobs, or there will be none any more.
    wake: Condvar,
    /// A worker has ended.
    done: Condvar,
}

/// Does the job `first` and all that come of it with `act`, which gets what `state` has made for its
/// worker. After a failure no more is begun. `report` is called several times a second, and at the end.
pub(super) fn run<J: Send, S>(
    first: J,
    state: impl Fn() -> S + Sync,
    act: impl Fn(J, &mut S) -> Result<Vec<J>> + Sync,
    report: Option<&dyn Fn()>,
) -> Result<()> {
    let queue = Queue { jobs: vec![first], working: 0, failure: None };
    let workers = Workers { queue: Mutex::new(queue), wake: Condvar::new(), done: Condvar::new() };
    let work = || workers.work(&mut state(), &act);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let spawn = |_: &usize| std::thread::Builder::new().spawn_scoped(scope, work).is_ok();
        // As many as the limits on processes leave, this one if that is none.
        if (0..processors.min(MOST)).take_while(spawn).count() == 0 {
            work();
        }
        workers.report_until_done(report);
    });
    workers.queue().failure.take().map_or(Ok(()), Err)
}

impl<J> Workers<J> {
    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        // A worker that panicked has ended the whole work by then.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work<S>(&self, state: &mut S, act: impl Fn(J, &mut S) -> Result<Vec<J>>) {
        let mut queue = self.queue();
        loop {
            if queue.is_done() || queue.failure.is_some() {
                self.wake.notify_all();
                self.done.notify_all();
                return;
            }
            let Some(job) = queue.jobs.pop() else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.working += 1;
            drop(queue);
            let result = act(job, state);
            queue = self.queue();
            queue.working -= 1;
            match result {
                // This worker takes the first of them itself.
                Ok(jobs) => {
                    jobs.iter().skip(1).for_each(|_| self.wake.notify_one());
                    queue.jobs.extend(jobs);
                }
                Err(error) => {
                    queue.failure.get_or_insert(error);
                }
            }
        }
    }

    fn report_until_done(&self, report: Option<&dyn Fn()>) {
        let mut queue = self.queue();
        while !queue.is_done() {
            let waited = self.done.wait_timeout(queue, REPORT_EVERY);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            if let Some(report) = report.filter(|_| timeout.timed_out()) {
                report();
            }
        }
        if let Some(report) = report {
            report();
        }
    }
}
