//! Bytes that a page can carry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// A length (u32, little-endian), and that many bytes of JSON: binary data may follow.
pub(super) fn framed(header: &impl serde::Serialize) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let mut out = (json.len() as u32).to_le_bytes().to_vec();
    out.extend(json);
    Ok(out)
}

/// Compressed with gzip, which browsers undo, and in base64, which is harmless in HTML and JavaScript.
pub(super) fn pack(bytes: &[u8]) -> std::io::Result<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(STANDARD.encode(gzip.finish()?))
}
