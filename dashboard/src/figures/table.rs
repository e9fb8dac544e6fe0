//! From a table of features.

use super::{FeatureNumbers, Figures, FiguresError};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

const COLUMNS: [(&str, DataType); 4] = [
    ("index", DataType::Int32),
    ("density", DataType::Float64),
    ("max", DataType::Float32),
    ("mean", DataType::Float64),
];

pub(super) fn read(path: &Path) -> Result<Figures, FiguresError> {
    let file = File::open(path).map_err(|source| FiguresError::Read {
        path: path.to_owned(),
        source,
    })?;
    let parquet = |source: ParquetError| FiguresError::Parquet {
        path: path.to_owned(),
        source,
    };
    let wrong = |problem: String| FiguresError::Table {
        path: path.to_owned(),
        problem,
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet)?;
    let schema = builder.schema().clone();
    for (name, kind) in &COLUMNS {
        match schema.field_with_name(name) {
            Ok(field) if field.data_type() == kind => {}
            Ok(field) => {
                let found = field.data_type();
                return Err(wrong(format!("its column {name:?} is {found}, not {kind}")));
            }
            Err(_) => return Err(wrong(format!("it has no column {name:?}"))),
        }
    }
    let names = COLUMNS.map(|(name, _)| name);
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder.with_projection(mask).build().map_err(parquet)?;
    let mut features = HashMap::new();
    for batch in reader {
        let batch = batch.map_err(|error| parquet(error.into()))?;
        let column = |name: &str| batch.column_by_name(name).expect("was found above");
        let columns = names.map(column);
        if let Some(at) = columns.iter().position(|column| column.null_count() > 0) {
            return Err(wrong(format!("its column {:?} has nulls", names[at])));
        }
        let [index, density, max, mean] = columns;
        let index = index.as_primitive::<Int32Type>().values();
        let density = density.as_primitive::<Float64Type>().values();
        let max = max.as_primitive::<Float32Type>().values();
        let mean = mean.as_primitive::<Float64Type>().values();
        for (at, &f) in index.iter().enumerate() {
            let f = u32::try_from(f).map_err(|_| wrong(format!("{f} is no feature")))?;
            let numbers = FeatureNumbers {
                density: density[at],
                max: max[at],
                mean: mean[at],
            };
            features.insert(f, numbers);
        }
    }
    Ok(Figures {
        features,
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::Figures;
    use arrow_array::{ArrayRef, Float32Array, Float64Array, Int32Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    fn read(columns: Vec<(&str, ArrayRef)>) -> Result<Figures, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.parquet");
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        // Given the folder, as people do.
        Figures::read(folder.path()).map_err(|error| error.to_string())
    }

    fn f64s(values: Vec<Option<f64>>) -> ArrayRef {
        Arc::new(Float64Array::from(values))
    }

    #[test]
    fn tables_of_something_else_are_refused() {
        let index = |f: i32| -> ArrayRef { Arc::new(Int32Array::from(vec![f])) };
        let max = || -> ArrayRef { Arc::new(Float32Array::from(vec![2.5])) };
        let table = |f: i32, mean: Option<f64>| {
            read(vec![
                ("mean", f64s(vec![mean])),
                ("index", index(f)),
                ("max", max()),
                ("density", f64s(vec![Some(0.25)])),
            ])
        };
        let found = table(7, Some(2.0)).unwrap();
        assert_eq!((found.features.len(), found.d_sae), (1, None));
        assert_eq!(
            (found.features[&7].max, found.features[&7].mean_of_all()),
            (2.5, 0.5)
        );
        let refused = |found: Result<Figures, String>| found.unwrap_err();
        assert!(refused(table(-1, Some(2.0))).contains("-1 is no feature"));
        assert!(refused(table(1, None)).contains("its column \"mean\" has nulls"));
        assert!(refused(read(vec![("index", index(1))])).contains("it has no column \"density\""));
        let doubles = f64s(vec![Some(1.0)]);
        let wrong = refused(read(vec![("index", doubles)]));
        assert!(
            wrong.contains("its column \"index\" is Float64, not Int32"),
            "{wrong}"
        );
    }
}
