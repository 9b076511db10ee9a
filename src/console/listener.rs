//! Another program in place of the terminal: what is said on a thread goes to whoever listens there, who can also stop the work.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;

/// Who listens to a thread.
#[derive(Clone)]
pub struct Listener {
    /// Gets what [`say`](super::text::say) is given, a message each. One that is not received any more is lost.
    pub said: Sender<String>,
    /// Set by the listener, in place of Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

thread_local! {
    static HERE: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Runs `work` with a listener to this thread, and leaves whoever listened before in place.
pub fn listening<T>(listener: Listener, work: impl FnOnce() -> T) -> T {
    struct Back(Option<Listener>);
    impl Drop for Back {
        fn drop(&mut self) {
            HERE.set(self.0.take());
        }
    }
    let _back = Back(HERE.replace(Some(listener)));
    work()
}

/// The listener to this thread.
pub(super) fn here() -> Option<Listener> {
    HERE.with_borrow(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::super::stop::on_ctrl_c;
    use super::super::text::say;
    use super::*;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::channel;

    #[test]
    fn what_is_said_goes_to_the_listener_of_the_thread_and_it_stops_what_listens_to_ctrl_c() {
        let (said, heard) = channel();
        let listener = Listener { said, stop: Arc::default() };
        let stop = listening(listener.clone(), || {
            say("one\nmessage").unwrap();
            on_ctrl_c().unwrap()
        });
        listener.stop.store(true, Ordering::Relaxed);
        assert!(stop.load(Ordering::Relaxed));
        assert!(here().is_none());
        drop(listener);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["one\nmessage"]);
    }
}
