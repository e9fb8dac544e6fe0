//! What a page's files hold, read back as `docs/formats.md` says.

mod fixture;
mod reading;

use fixture::Fixture;
use fixture::corpus::{CONTEXT, Corpus};
use fixture::random::Random;
use reading::{columns, expanded, four_digits, ids, packed_shards, unpack};
use sae_dashboard::page::{
    PageContents, PageError, PageForm, PageWriter, feature_bytes, overview_bytes,
};
use sae_dashboard::{Example, Feature, Overview};

fn write(path: &std::path::Path, form: PageForm, fixture: &Fixture) -> Result<(), PageError> {
    let mut writer = PageWriter::create(path, form, &fixture.overview, &fixture.corpus.vocabulary)?;
    for feature in &fixture.features {
        writer.push(feature.clone())?;
    }
    writer.finish()
}

#[test]
fn features_come_back_from_both_forms() {
    let fixture = Fixture::new(130);
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("page.html"), PageForm::File, &fixture).unwrap();
    write(&dir.path().join("page"), PageForm::Folder, &fixture).unwrap();
    for name in ["page.html", "page"] {
        let shards = packed_shards(&dir.path().join(name));
        assert_eq!(shards.len(), 3, "{name}: 64, 64 and 2 features");
        let found: Vec<Feature> = shards
            .iter()
            .flat_map(|shard| expanded(&unpack(shard)))
            .collect();
        assert_eq!(found.len(), 130);
        for (found, feature) in found.iter().zip(&fixture.features) {
            assert!(
                *found == four_digits(feature.clone()),
                "{name}: feature {}",
                found.index
            );
        }
    }
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["page", "page.html"], "nothing temporary is left");
}

#[test]
fn a_page_says_what_it_is_of() {
    let fixture = Fixture::new(70);
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("page.html"), PageForm::File, &fixture).unwrap();
    write(&at("page"), PageForm::Folder, &fixture).unwrap();
    for name in ["page.html", "page/index.html"] {
        let found = PageContents::of(at(name)).unwrap();
        assert_eq!(found.source, fixture.overview.source);
        assert_eq!(found.d_sae, fixture.overview.d_sae);
        assert_eq!(found.shown, fixture.overview.shown);
    }
    let page = std::fs::read(at("page/index.html")).unwrap();
    let opening = b"id=\"overview\">";
    let place = page
        .windows(opening.len())
        .position(|w| w == opening)
        .unwrap()
        + opening.len();
    for cut in [0, 100, place, place + 40, place + 400] {
        std::fs::write(at("cut.html"), &page[..cut]).unwrap();
        let error = PageContents::of(at("cut.html")).unwrap_err().to_string();
        assert!(
            error.contains("is not a page of features"),
            "{cut}: {error}"
        );
    }
    assert!(
        PageContents::of(at("none"))
            .unwrap_err()
            .to_string()
            .contains("cannot read")
    );
}

#[test]
fn a_feature_of_a_server_is_a_shard_of_one() {
    let fixture = Fixture::new(8);
    let feature = &fixture.features[3];
    let bytes = feature_bytes(feature, &fixture.corpus.vocabulary).unwrap();
    assert_eq!(expanded(&bytes), [four_digits(feature.clone())]);
}

#[test]
fn columns_of_the_overview_come_back_as_they_were() {
    let mut overview = Fixture::new(300).overview;
    overview.shown = (0..300).filter(|i| i % 7 != 3).collect();
    let vocabulary = Corpus::new().vocabulary;
    let (header, found, lists) = columns(&overview_bytes(&overview, &vocabulary).unwrap());
    let bits = |column: &[f32]| column.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    assert_eq!(found[0], bits(&overview.density));
    assert_eq!(found[1], bits(&overview.max));
    assert_eq!(found[2], bits(&overview.mean));
    assert_eq!(found[3], bits(&overview.decoder_norm));
    let ids = ids(serde_json::from_value(header["tokens"]["ids"].clone()).unwrap());
    let id = |number: &u32| Some(ids[(*number).checked_sub(1)? as usize]);
    assert!(
        found[4]
            .iter()
            .map(id)
            .eq(overview.top_token.iter().copied())
    );
    assert!(
        found[5]
            .iter()
            .filter_map(id)
            .eq(overview.lens_token.iter().flatten().copied())
    );
    let mut sum = 0;
    let shown = found[6].iter().map(|d| {
        sum += d;
        sum
    });
    assert!(shown.eq(overview.shown.iter().copied()));
    assert_eq!(header["n_tokens"], overview.n_tokens);
    for (list, of) in lists.iter().zip([&overview.fires_on, &overview.promotes]) {
        let tokens = |numbers: &Vec<usize>| numbers.iter().map(|n| ids[*n]).collect();
        let found: Vec<Vec<u32>> = list.iter().map(tokens).collect();
        assert_eq!(found, *of);
    }
    assert!(lists[0].iter().any(|tokens| tokens.len() > 2));
}

/// Tokens whose frequencies follow Zipf's law, as those of a language do; nothing repeats but by chance.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: usize) -> Self {
        let mut sum = 0.0;
        let cumulated = (1..=n).map(|rank| {
            sum += 1.0 / (rank as f64 + 2.7);
            sum
        });
        Self(cumulated.collect())
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let x = random.unit() * self.0[self.0.len() - 1];
        self.0.partition_point(|edge| *edge < x) as u32
    }
}

/// With other examples: as many as the top 20, five of each of five intervals and five more, of 73 tokens, a tenth of which fire.
fn refill(feature: &mut Feature, zipf: &Zipf, random: &mut Random) {
    let sizes = [20, 5, 5, 5, 5, 5, 5];
    for (group, n) in feature.groups.iter_mut().zip(sizes) {
        let mut example = |_| Example {
            context: random.below(1 << 20) as u64,
            position: 500,
            start: 464,
            tokens: (0..73).map(|_| zipf.draw(random)).collect(),
            values: (0..73)
                .map(|i| {
                    if i == 36 || random.unit() < 0.1 {
                        (3.0 * random.unit()) as f32
                    } else {
                        0.0
                    }
                })
                .collect(),
        };
        group.examples = (0..n).map(&mut example).collect();
    }
}

/// A word of syllables, another one for each number.
fn word(mut number: usize) -> Vec<u8> {
    const SYLLABLES: [&str; 24] = [
        "an", "ber", "co", "de", "er", "fi", "gra", "ha", "in", "ka", "li", "men", "no", "or",
        "per", "re", "sta", "ti", "un", "ver", "wa", "ing", "ed", "s",
    ];
    let mut word = " ".to_owned();
    loop {
        word += SYLLABLES[number % 24];
        number /= 24;
        if number == 0 {
            return word.into_bytes();
        }
    }
}

#[test]
fn a_feature_takes_less_than_15_kilobytes() {
    let mut fixture = Fixture::new(128);
    let vocabulary: Vec<Vec<u8>> = (0..50_000).map(word).collect();
    let (zipf, mut random) = (Zipf::new(vocabulary.len()), Random(5));
    for feature in &mut fixture.features {
        assert_eq!(feature.groups.len(), 7);
        refill(feature, &zipf, &mut random);
    }
    fixture.corpus.vocabulary = vocabulary;
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("page"), PageForm::Folder, &fixture).unwrap();
    let shards = packed_shards(&dir.path().join("page"));
    let mean = shards.iter().map(String::len).sum::<usize>() / 128;
    assert!((5_000..15_000).contains(&mean), "{mean} bytes a feature");
}

#[test]
fn the_overview_of_a_large_dictionary_takes_a_few_megabytes() {
    let mut random = Random(11);
    let n = 131_072_u32;
    let mut column = |scale: f64| -> Vec<f32> {
        (0..n)
            .map(|_| (scale * random.normal()).exp() as f32)
            .collect()
    };
    let overview = Overview {
        d_sae: n,
        density: column(2.0),
        max: column(0.5),
        mean: column(0.5),
        decoder_norm: column(0.1),
        top_token: (0..n)
            .map(|i| (i % 9 != 0).then_some(i.wrapping_mul(40_503) % 50_000))
            .collect(),
        lens_token: (0..n)
            .map(|i| Some(i.wrapping_mul(30_011) % 50_000))
            .collect(),
        shown: (0..n).collect(),
        ..Overview::default()
    };
    let vocabulary: Vec<Vec<u8>> = (0..50_000_u32)
        .map(|id| format!(" word{id}").into_bytes())
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let writer = PageWriter::create(
        &path,
        PageForm::File,
        &Overview {
            shown: Vec::new(),
            ..overview.clone()
        },
        &vocabulary,
    );
    writer.unwrap().finish().unwrap();
    let size = path.metadata().unwrap().len();
    assert!((1_000_000..4_000_000).contains(&size), "{size} bytes");
    assert!(
        matches!(overview_bytes(&overview, &vocabulary), Ok(bytes) if bytes.len() > 7 * 4 * n as usize)
    );
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let mut fixture = Fixture::new(6);
    let vocabulary = &fixture.corpus.vocabulary;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page");
    let create =
        |overview: &Overview| PageWriter::create(&path, PageForm::Folder, overview, vocabulary);
    let mut writer = create(&fixture.overview).unwrap();
    writer.push(fixture.features[0].clone()).unwrap();
    assert_eq!(
        writer
            .push(fixture.features[2].clone())
            .unwrap_err()
            .to_string(),
        "feature 2 was given, expected feature 1, the next one that the overview shows"
    );
    assert_eq!(
        writer.finish().unwrap_err().to_string(),
        "1 of 6 features were given; the page would have holes"
    );
    let mut short = fixture.overview.clone();
    short.mean.pop();
    assert_eq!(
        create(&short).unwrap_err().to_string(),
        "the overview's mean has 5 entries, expected one for each of 6 features"
    );
    short = fixture.overview.clone();
    short.shown = vec![1, 1];
    assert!(matches!(
        create(&short),
        Err(PageError::Shown {
            index: 1,
            at: 1,
            ..
        })
    ));
    short.shown = vec![6];
    assert!(
        create(&short)
            .unwrap_err()
            .to_string()
            .contains("ascending numbers below 6")
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let nowhere = dir.path().join("no/page.html");
    let error =
        PageWriter::create(&nowhere, PageForm::File, &fixture.overview, vocabulary).unwrap_err();
    assert!(
        error.to_string().ends_with("is there room on the disk?"),
        "{error}"
    );
    let uneven = fixture
        .features
        .iter_mut()
        .find(|f| !f.groups[0].examples.is_empty())
        .unwrap();
    uneven.groups[0].examples[0].values.pop();
    let error = feature_bytes(uneven, &fixture.corpus.vocabulary).unwrap_err();
    assert!(matches!(error, PageError::Example { .. }));
}

#[test]
fn a_folder_replaces_an_empty_one_and_nothing_else() {
    let fixture = Fixture::new(3);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page");
    std::fs::create_dir(&path).unwrap();
    write(&path, PageForm::Folder, &fixture).unwrap();
    let error = write(&path, PageForm::Folder, &fixture)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with(
        "is there already and is not an empty folder; name another one, or remove it first"
    ));
    let file = dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(write(&file, PageForm::Folder, &fixture).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    assert_eq!(fixture.overview.source.context_size as usize, CONTEXT);
}
