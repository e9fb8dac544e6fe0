//! Entries of a zip archive, stored without compression, as `torch.save` and `numpy.savez` write them. Nothing is unpacked: an entry is a
//! piece of the mapped file.
//!
//! After PKWARE's APPNOTE 6.3, sections 4.3 to 4.5.

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// The end of the archive and the longest comment.
const END_SEARCH: usize = 22 + 0xffff;
/// No file of weights has nearly as many tensors.
const MAX_ENTRIES: u64 = 1 << 16;

/// A name, and the bytes under it.
pub(crate) type Entry<'a> = (String, &'a [u8]);

/// All entries, in the archive's order. An error is a sentence without its subject, the file.
pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let cut =
        || "ends before its table of contents does; was it copied or downloaded whole?".to_owned();
    let from = bytes.len().saturating_sub(END_SEARCH);
    let end = bytes[from..]
        .windows(4)
        .rposition(|w| w == END)
        .ok_or_else(cut)?
        + from;
    let n_comment = u16_at(bytes, end + 20).ok_or_else(cut)?;
    if bytes.len() - end - 22 < usize::from(n_comment) {
        return Err(cut());
    }
    let mut n = u64::from(u16_at(bytes, end + 10).ok_or_else(cut)?);
    let mut start = u64::from(u32_at(bytes, end + 16).ok_or_else(cut)?);
    // Where a number does not fit, all are in a record of 64 bits, which a locator just before the end points to.
    let locator = end
        .checked_sub(20)
        .filter(|&at| bytes[at..].starts_with(LOCATOR_64));
    if let Some(locator) = locator {
        let record = u64_at(bytes, locator + 8)
            .and_then(|at| usize::try_from(at).ok())
            .ok_or_else(cut)?;
        if !bytes
            .get(record..)
            .is_some_and(|rest| rest.starts_with(END_64))
        {
            return Err("has a table of contents that points nowhere".to_owned());
        }
        n = u64_at(bytes, record + 32).ok_or_else(cut)?;
        start = u64_at(bytes, record + 48).ok_or_else(cut)?;
    }
    if n > MAX_ENTRIES {
        return Err(format!(
            "says that it has {n} entries; expected a few dozen"
        ));
    }
    let mut at = usize::try_from(start).map_err(|_| cut())?;
    let mut found: Vec<Entry<'_>> = Vec::new();
    for _ in 0..n {
        let (entry, next) = entry(bytes, at).ok_or("has a damaged table of contents")??;
        if found.iter().any(|(name, _)| *name == entry.0) {
            return Err(format!("has two entries called {:?}", entry.0));
        }
        found.push(entry);
        at = next;
    }
    Ok(found)
}

/// The entry whose description is at `at`, and where the next one begins; `None` if it is cut off.
fn entry(bytes: &[u8], at: usize) -> Option<Result<(Entry<'_>, usize), String>> {
    if !bytes.get(at..)?.starts_with(CENTRAL) {
        return None;
    }
    let flags = u16_at(bytes, at + 8)?;
    let method = u16_at(bytes, at + 10)?;
    let [n_name, n_extra, n_comment] =
        [28, 30, 32].map(|by| u16_at(bytes, at + by).map(usize::from));
    let (n_name, n_extra, n_comment) = (n_name?, n_extra?, n_comment?);
    let name = bytes.get(at + 46..at + 46 + n_name)?;
    let extra = bytes.get(at + 46 + n_name..at + 46 + n_name + n_extra)?;
    let next = at + 46 + n_name + n_extra + n_comment;
    let mut sizes = [24, 20, 42].map(|by| u32_at(bytes, at + by).map_or(0, u64::from));
    widen(&mut sizes, extra)?;
    let [size, packed, header] = sizes;
    let Ok(name) = std::str::from_utf8(name) else {
        return Some(Err("has an entry whose name is not UTF-8".to_owned()));
    };
    let climbs = name.split(['/', '\\']).any(|part| part == "..");
    if climbs || name.starts_with(['/', '\\']) || name.contains('\0') {
        return Some(Err(format!(
            "has an entry called {name:?}, which points out of the archive"
        )));
    }
    if flags & 1 != 0 {
        return Some(Err(format!("has an encrypted entry, {name:?}")));
    }
    if method != 0 || size != packed {
        return Some(Err(format!(
            "has a compressed entry, {name:?}; expected stored ones, as torch.save and numpy.savez write them"
        )));
    }
    let beyond =
        || format!("is cut short: its entry {name:?} of {size} bytes reaches beyond the end");
    let data = (|| {
        let header = usize::try_from(header).ok()?;
        if !bytes.get(header..)?.starts_with(LOCAL) {
            return None;
        }
        let skip =
            usize::from(u16_at(bytes, header + 26)?) + usize::from(u16_at(bytes, header + 28)?);
        let start = header.checked_add(30 + skip)?;
        bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    })();
    Some(
        data.map(|data| ((name.to_owned(), data), next))
            .ok_or_else(beyond),
    )
}

/// Puts the 64-bit numbers of the extra field in the place of those that did not fit, in their order.
fn widen(sizes: &mut [u64; 3], mut extra: &[u8]) -> Option<()> {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let mut field = extra.get(4..4 + len)?;
        if id == 1 {
            for size in sizes
                .iter_mut()
                .filter(|size| **size == u64::from(u32::MAX))
            {
                *size = u64_at(field, 0)?;
                field = &field[8..];
            }
            return Some(());
        }
        extra = &extra[4 + len..];
    }
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*found))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*found))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let found = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*found))
}
