//! Writes a page of made-up features of the bundled text, to work on the page without a model:
//! `cargo run -p sae-dashboard --example fixture_page -- OUT.html 512`, or a folder where the name has no ending.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use sae_dashboard::page::{PageForm, PageWriter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("name a file or a folder")?;
    let n = arguments.next().map_or(Ok(512), |n| n.parse())?;
    let fixture = fixture::Fixture::new(n);
    let form = if std::path::Path::new(&out).extension().is_some() {
        PageForm::File
    } else {
        PageForm::Folder
    };
    let mut writer = PageWriter::create(&out, form, &fixture.overview, &fixture.corpus.vocabulary)?;
    for feature in fixture.features {
        writer.push(feature)?;
    }
    writer.finish()?;
    Ok(())
}
