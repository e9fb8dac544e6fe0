//! Work that can be watched and stopped.

use sae_progress::{Observer, Stopped, Unobserved};
use std::ops::ControlFlow;

fn work(observer: &mut impl Observer<u32>) -> Result<u32, Stopped> {
    for step in 0..5 {
        Stopped::check(observer.observe(&step))?;
    }
    Ok(5)
}

fn main() {
    assert_eq!(work(&mut Unobserved), Ok(5));
    let stopped = work(&mut |&step: &u32| match step {
        3 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    println!("stopped: {}", stopped.is_err());
    assert_eq!(stopped, Err(Stopped));
}
