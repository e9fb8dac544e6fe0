//! A log of what fires, and its summary.

use sae_dashboard::{ActivationLog, LogInfo, LogWriter, Summary};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("outside-log-{}", std::process::id()));
    let info = LogInfo {
        d_sae: 3,
        context_size: 2,
        made_from: Default::default(),
    };
    let mut writer = LogWriter::create(&dir, info)?;
    writer.push_context(0, &[true, true], |position| [(position as u32, 1.5_f32)])?;
    writer.finish()?;
    let summary = Summary::of(&ActivationLog::open(&[&dir])?)?;
    println!("{:?}", summary.n_fired);
    assert_eq!(summary.n_fired, [1, 1, 0]);
    Ok(std::fs::remove_dir_all(dir)?)
}
