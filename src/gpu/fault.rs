//! Calls that fail on purpose: a test lets each of them fail in turn, and sees what comes of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls of a driver that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Memory is asked for.
    Allocate,
    /// Work is handed over.
    Submit,
    /// Memory is made readable.
    Map,
    /// Work is waited for.
    Wait,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// There is no memory left.
    OutOfMemory,
    /// The device is gone.
    Lost,
    /// It does not answer any more.
    Hung,
}

/// One call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of call.
    pub call: Call,
    /// How many of its kind pass before it.
    pub nth: u64,
    /// How it fails.
    pub how: How,
}

/// The fault that is planned, and the calls since then.
#[derive(Default)]
pub(super) struct Faults {
    state: Mutex<State>,
    hung: AtomicBool,
}

#[derive(Default)]
struct State {
    planned: Option<Fault>,
    calls: [u64; 4],
}

impl Faults {
    /// From now on calls are counted anew, and this one of them fails.
    pub fn plan(&self, fault: Option<Fault>) {
        *self.state.lock().expect("no panic holds this lock") = State { planned: fault, calls: [0; 4] };
    }

    /// Calls since a fault was planned last.
    pub fn calls(&self, call: Call) -> u64 {
        self.state.lock().expect("no panic holds this lock").calls[call as usize]
    }

    /// A call is made: how it fails, if it does.
    pub fn next(&self, call: Call) -> Option<How> {
        let mut state = self.state.lock().expect("no panic holds this lock");
        let nth = state.calls[call as usize];
        state.calls[call as usize] += 1;
        let how = state.planned.filter(|f| f.call == call && f.nth == nth)?.how;
        if how == How::Hung {
            self.hung.store(true, Ordering::Relaxed);
        }
        Some(how)
    }

    /// Whether the device plays dead.
    pub fn hung(&self) -> bool {
        self.hung.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_of_a_kind_fails() {
        let faults = Faults::default();
        assert_eq!(faults.next(Call::Submit), None);
        faults.plan(Some(Fault { call: Call::Submit, nth: 1, how: How::Lost }));
        let told = [Call::Submit, Call::Wait, Call::Submit, Call::Submit].map(|c| faults.next(c));
        assert_eq!(told, [None, None, Some(How::Lost), None]);
        assert_eq!((faults.calls(Call::Submit), faults.calls(Call::Wait), faults.hung()), (3, 1, false));
    }
}
