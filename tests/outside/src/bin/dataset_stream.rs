//! Documents to packed rows.

use dataset_stream::Packer;

fn main() {
    let mut packer = Packer::notebook(4, Some(1), 2);
    let mut rows = Vec::new();
    for document in [[10, 11].as_slice(), &[], &[12, 13]] {
        packer.push(document, |row| rows.push(row));
    }
    println!("{rows:?}");
    assert_eq!(rows, [[1, 10, 11, 2], [1, 2, 12, 13]]);
}
