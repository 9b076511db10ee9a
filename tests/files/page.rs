//! The exported page makes of a picture what `onebit predict` makes of it, also of one that is turned or transparent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use onebit::data::{Background, PixelRules, Pixels};
use onebit::web::ask_in_browser;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far the page may be off, in levels: a canvas rounds where it lays a picture on its background.
const LEVELS: u8 = 2;

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Pictures of which a browser, left to itself, makes something else.
fn pictures(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for name in [
        "exif-orientation/phone.jpg",
        "exif-orientation/upright.png",
        "alpha-dropped/glyph.png",
        "alpha-dropped/glyph_la.png",
        "alpha-dropped/hidden.png",
        "jpeg-noninterleaved/noninterleaved.jpg",
    ] {
        all.push((name.into(), fs::read(at("tests/data/field").join(name)).unwrap()));
    }
    crate::pillow::pictures(folder);
    let turned = (1..=8).map(|n| format!("exif-{n}.jpg"));
    let others =
        ["exif-3.png", "exif-6.png", "exif-7.png", "exif-5.webp", "exif-6.webp", "exif-8.webp", "RGBA.png", "LA.png"];
    let more =
        ["palette-4-alpha.png", "grey-8-key.png", "transparent.gif", "RGBA-lossless.webp", "icc.jpg", "gamma.png"];
    let more = others.into_iter().chain(more).map(String::from);
    all.extend(turned.chain(more).map(|name| (name.clone(), fs::read(folder.join(&name)).unwrap())));
    all
}

#[test]
fn the_page_makes_of_pictures_what_predict_makes_of_them() {
    let place = tempfile::tempdir().unwrap();
    let pictures = pictures(place.path());
    let page = place.path().join("page");
    fs::create_dir(&page).unwrap();
    for name in ["run.js", "orientation.js", "picture.js"] {
        fs::copy(at("src/deploy/page").join(name), page.join(name)).unwrap();
    }
    // As they are large, larger, and grey; on both backgrounds.
    let models = [([24, 24, 3], Background::White), ([40, 30, 3], Background::Black), ([9, 9, 1], Background::White)];
    let inputs: Vec<_> =
        models.iter().map(|(input, b)| serde_json::json!({ "input": input, "background": b.level() })).collect();
    let files: Vec<_> =
        pictures.iter().map(|(name, bytes)| serde_json::json!([name, STANDARD.encode(bytes)])).collect();
    let script = format!(
        "(async () => {{
            const made = [];
            for (const [name, text] of {}) {{
                for (const model of {}) {{
                    const file = new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name);
                    made.push(Array.from(await onebit.bytesOfFile(model, file)));
                }}
            }}
            await fetch('answer', {{ method: 'POST', body: JSON.stringify(made) }});
        }})().catch((e) => fetch('failed', {{ method: 'POST', body: JSON.stringify({{ message: e.message }}) }}));",
        serde_json::to_string(&files).unwrap(),
        serde_json::to_string(&inputs).unwrap()
    );
    fs::write(page.join("test.js"), script).unwrap();
    let scripts =
        ["run.js", "orientation.js", "picture.js", "test.js"].map(|s| format!("<script src=\"{s}\"></script>"));
    fs::write(page.join("test.html"), format!("<!doctype html><meta charset=\"utf-8\">{}", scripts.concat())).unwrap();
    let said = ask_in_browser(&page, "test.html", Duration::from_secs(300)).unwrap();
    let mut made = said.as_array().unwrap().iter();
    let mut wrong = Vec::new();
    for (name, bytes) in &pictures {
        for ([h, w, c], background) in models {
            let rules = PixelRules { background, ..PixelRules::default() };
            let own = Pixels::decode(bytes, &rules).unwrap().with_channels(c).cover(h, w).unwrap().data;
            let theirs = made.next().unwrap().as_array().unwrap();
            assert_eq!(theirs.len(), own.len(), "{name}");
            let apart = own.iter().zip(theirs).map(|(a, b)| a.abs_diff(b.as_u64().unwrap() as u8)).max().unwrap();
            if apart > LEVELS {
                wrong.push(format!("{name} as {h}x{w}x{c}: {apart} levels apart"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
