//! Text from data sets stays text.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::write;
use sae_dashboard::page::PageForm;

const SCRIPT: &str =
    "</script><script>window.taken = 1</script><img src=x onerror=\"window.taken = 1\">";

/// A fixture in which the tokens of the first example of feature 3 mean something else.
fn with_tokens(tokens: &[&[u8]]) -> Fixture {
    let mut fixture = Fixture::new(8);
    let vocabulary = &mut fixture.corpus.vocabulary;
    let first = vocabulary.len() as u32;
    vocabulary.extend(tokens.iter().map(|bytes| bytes.to_vec()));
    let ids: Vec<u32> = (first..).take(tokens.len()).collect();
    let feature = &mut fixture.features[3];
    let example = &mut feature.groups[0].examples[0];
    example.start = 0;
    example.position = 0;
    example.values = vec![1.0; ids.len()];
    example.tokens = ids;
    let lens = feature.lens.as_mut().unwrap();
    lens.top[0].token = first;
    fixture.overview.top_token[3] = Some(first);
    fixture.overview.lens_token[3] = Some(first);
    fixture
}

fn cells(tab: &mut Tab) -> Vec<String> {
    tab.wait_for(".example .cell");
    let texts = tab.eval("[...document.querySelector('.example').querySelectorAll('.cell')].map((e) => e.textContent)");
    serde_json::from_value(texts).unwrap()
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn markup_quotes_and_signs_stay_text() {
    let long = vec![b'x'; 1 << 20];
    let tokens: [&[u8]; 14] = [
        SCRIPT.as_bytes(),
        br#"'"`\"#,
        br"\ud800\u0000",
        &[0xed, 0xa0, 0x80],
        b"\0",
        "\u{202e}evil".as_bytes(),
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}".as_bytes(),
        &long,
        b" \t\r\n",
        "\u{301}".as_bytes(),
        "\u{a0}\u{2028}\u{feff}".as_bytes(),
        b"",
        b"\x1b[2J",
        b"__proto__",
    ];
    let mut fixture = with_tokens(&tokens);
    fixture.features[3].groups[0].examples[0]
        .tokens
        .push(u32::MAX);
    fixture.features[3].groups[0].examples[0].values.push(0.0);
    fixture.overview.source.sae = SCRIPT.to_owned();
    fixture.overview.source.dataset = "\u{202e}<b>".to_owned();
    let dir = tempfile::tempdir().unwrap();
    for form in [PageForm::File, PageForm::Folder] {
        let url = write(dir.path(), form, &fixture);
        let mut tab = Tab::open(&url);
        assert_eq!(tab.text("h1"), SCRIPT);
        assert!(
            tab.texts(".row .token")
                .contains(&SCRIPT[..48].to_owned().add_dots())
        );
        tab.go(&format!("{url}#feature=3"));
        let found = cells(&mut tab);
        let long = "x".repeat(48).add_dots();
        let expected = [
            SCRIPT[..48].to_owned().add_dots(),
            r#"'"`\"#.into(),
            r"\ud800\u0000".into(),
            "⟨0xED⟩⟨0xA0⟩⟨0x80⟩".into(),
            "␀".into(),
            "⟨U+202E⟩evil".into(),
            "שלום".into(),
            long,
            " →␍↵".into(),
            "◌\u{301}".into(),
            "⍽⟨U+2028⟩⟨U+FEFF⟩".into(),
            "⟨empty⟩".into(),
            "␛[2J".into(),
            "__proto__".into(),
            format!("⟨id {}⟩", u32::MAX),
        ];
        assert_eq!(found, expected);
        assert_eq!(tab.eval("window.taken ?? null"), serde_json::Value::Null);
        assert_eq!(
            tab.eval("document.querySelectorAll('img, script:not([id]):not([src])').length"),
            1,
            "its own script"
        );
        assert_eq!(tab.eval("[...document.querySelectorAll('.cell .p')].every((p) => getComputedStyle(p).unicodeBidi === 'isolate')"), true);
        tab.hover(".example .cell:nth-child(7)");
        assert!(
            tab.text("#tooltip").contains("1,048,576 bytes, cut"),
            "{}",
            tab.text("#tooltip")
        );
        tab.assert_quiet();
    }
}

trait AddDots {
    fn add_dots(self) -> String;
}

impl AddDots for String {
    /// What is too long ends in dots.
    fn add_dots(mut self) -> String {
        self.push('…');
        self
    }
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn pieces_of_a_character_are_one_cell() {
    let crab = "🦀".as_bytes();
    let tokens: [&[u8]; 12] = [
        b"a",
        &crab[..1],
        &crab[1..3],
        &crab[3..],
        b" caf\xc3",
        b"\xa9 cr\xc3",
        b"\xa8me",
        b"\xe2\x82",
        b"b",
        &[0xff],
        &crab[..2],
        &crab[..2],
    ];
    let mut fixture = with_tokens(&tokens);
    let example = &mut fixture.features[3].groups[0].examples[0];
    example.position = 2;
    example.values = vec![0.0, 0.5, 2.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=3"));
    assert_eq!(
        cells(&mut tab),
        [
            "a",
            "🦀",
            " café crème",
            "⟨0xE2⟩⟨0x82⟩",
            "b",
            "⟨0xFF⟩",
            "⟨0xF0⟩⟨0x9F⟩",
            "⟨0xF0⟩⟨0x9F⟩"
        ]
    );
    tab.hover(".example .target");
    let tip = tab.texts("#tooltip dd");
    let first = fixture.features[3].groups[0].examples[0].tokens[1].to_string();
    assert_eq!(
        [tip[0].as_str(), tip[1].as_str(), tip[2].as_str()],
        ["⟨0xF0⟩", &first, "0.5000"]
    );
    assert_eq!(
        tab.eval("document.querySelector('.charts .mark').dataset.value"),
        "2",
        "the piece that fires most"
    );
    tab.assert_quiet();
}
