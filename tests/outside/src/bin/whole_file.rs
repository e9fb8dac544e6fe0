//! Files that appear whole or not at all.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("outside-{}.txt", std::process::id()));
    whole_file::check(&path)?;
    whole_file::write(&path, b"whole")?;
    println!("{}", std::fs::read_to_string(&path)?);
    Ok(std::fs::remove_file(path)?)
}
