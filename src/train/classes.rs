//! Classes are known by their names: a network's outputs have those of the images that it was trained on, in their order.

use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::sync::Arc;

/// Names that a message lists.
const LISTED: usize = 30;

/// Gives the images of a set labels as a network knows them. `path` is where the set is: an unlabelled set whose images all lie
/// in one folder that is called like a class is of that class.
///
/// # Errors
/// If there are images of a class that the network does not know; with both lists of names.
pub fn by_name(data: &Split, known: &[String], path: &str) -> Result<Split> {
    let parts = [&data.train, &data.val, &data.test];
    let names: BTreeSet<&String> = parts.iter().flat_map(|set| with_images(set)).collect();
    let strange: Vec<&String> = names.iter().filter(|n| !known.contains(n)).copied().collect();
    if !strange.is_empty() {
        let theirs: Vec<&String> = names.into_iter().collect();
        return Err(Error::data(
            path,
            format!(
                "these images are of other classes than the network tells apart, and labels are matched by name: it does not know \
                 {}. Classes of the images: {}. Classes of the run: {}. Call the classes as the run does, or take images of its \
                 classes",
                listed(&strange),
                listed(&theirs),
                listed(&known.iter().collect::<Vec<_>>())
            ),
        ));
    }
    let one = |set: &Dataset| -> Arc<Dataset> {
        let place = |name: &String| known.iter().position(|k| k == name).unwrap_or_default() as u32;
        let labels = match &set.labels {
            Some(labels) => Some(labels.iter().map(|l| place(&set.classes[*l as usize])).collect()),
            None => lone_class(set, path, known).map(|class| vec![class; set.len()]),
        };
        Dataset { labels, classes: known.to_vec(), ..set.clone() }.into()
    };
    let (train, test) = (one(&data.train), one(&data.test));
    // A set without a test part is tested on its validation part: they are the same set before and after.
    let val = if Arc::ptr_eq(&data.val, &data.test) { test.clone() } else { one(&data.val) };
    Ok(Split { train, val, test, ..data.clone() })
}

/// The images of the classes that a network knows, without those of others; and how many that are.
pub fn only_known(data: &Split, known: &[String]) -> (Split, usize) {
    let one = |set: &Dataset| -> Arc<Dataset> {
        let is_known = |i: &u32| match &set.labels {
            Some(labels) => known.contains(&set.classes[labels[*i as usize] as usize]),
            None => true,
        };
        let kept: Vec<u32> = (0..set.len() as u32).filter(is_known).collect();
        set.select(&kept).into()
    };
    let count = |split: &Split| split.train.len() + split.val.len() + split.test.len();
    let some = Split { train: one(&data.train), val: one(&data.val), test: one(&data.test), ..data.clone() };
    let left_out = count(data) - count(&some);
    (some, left_out)
}

/// What is to be said of classes of which a set has no image.
pub fn missing(set: &Dataset) -> Option<String> {
    let counts = set.class_counts();
    let none: Vec<&String> = set.classes.iter().zip(&counts).filter(|(_, n)| **n == 0).map(|(name, _)| name).collect();
    (!none.is_empty()).then(|| {
        format!(
            "these images are of {} of the {} classes that the network tells apart; there are none of {}",
            counts.len() - none.len(),
            counts.len(),
            listed(&none)
        )
    })
}

/// Classes of which a set has images.
fn with_images(set: &Dataset) -> Vec<&String> {
    set.classes.iter().zip(set.class_counts()).filter(|(_, n)| *n > 0).map(|(name, _)| name).collect()
}

/// The class that the images of an unlabelled set are of, by the folders that they all lie in, of which the innermost one counts.
fn lone_class(set: &Dataset, path: &str, known: &[String]) -> Option<u32> {
    let folders = |name: &str| name.split('/').rev().skip(1).map(String::from).collect::<Vec<_>>();
    let mut origins = set.origins.as_ref()?.iter().map(|o| {
        let mut folders = folders(&o.name);
        folders.reverse();
        folders
    });
    let first = origins.next()?;
    let shared = origins.fold(first.len(), |n, f| first[..n].iter().zip(&f).take_while(|(a, b)| a == b).count());
    let mut above = Path::new(path).components().filter_map(|c| match c {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    let within = first[..shared].iter().rev().cloned();
    let found = within.chain(above.next_back()).find_map(|name| known.iter().position(|k| *k == name));
    found.map(|class| class as u32)
}

fn listed(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(|n| n.as_str()).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Origin;

    fn set(names: &[&str], classes: &[&str], labels: Option<Vec<u32>>) -> Dataset {
        let origin = |n: &&str| Origin { name: n.to_string(), bytes: 1, crc32: 0 };
        Dataset {
            name: "s".into(),
            images: vec![0; names.len()].into(),
            h: 1,
            w: 1,
            c: 1,
            labels,
            classes: classes.iter().map(|c| c.to_string()).collect(),
            origins: Some(names.iter().map(origin).collect()),
        }
    }

    fn known(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| n.to_string()).collect()
    }

    #[test]
    fn labels_follow_names_and_not_places() {
        let some = set(&["bee/1", "cow/1", "cow/2"], &["bee", "cow"], Some(vec![0, 1, 1]));
        let none = some.select(&[]);
        let matched = by_name(&Split::new(none.clone(), some), &known(&["ant", "bee", "cow"]), "p").unwrap();
        assert_eq!((matched.test.labels.clone(), matched.test.classes.len()), (Some(vec![1, 2, 2]), 3));
        assert!(
            missing(&matched.test)
                .unwrap()
                .ends_with("2 of the 3 classes that the network tells apart; there are none of ant")
        );
        let other = set(&["dog/1"], &["bee", "dog"], Some(vec![1]));
        let m = by_name(&Split::new(none.clone(), other), &known(&["ant", "bee"]), "p").unwrap_err().to_string();
        assert!(m.contains("does not know dog") && m.contains("images: dog.") && m.contains("run: ant, bee."), "{m}");
        // A class without images does no harm.
        let empty_class = set(&["bee/1"], &["bee", "dog"], Some(vec![0]));
        assert!(by_name(&Split::new(none, empty_class), &known(&["ant", "bee"]), "p").is_ok());
    }

    #[test]
    fn one_folder_is_a_class_if_it_is_called_like_one() {
        let known = known(&["ant", "bee"]);
        let label = |names: &[&str], path: &str| {
            let set = set(names, &[], None);
            let none = set.select(&[]);
            by_name(&Split::new(none, set), &known, path).unwrap().test.labels.clone().map(|l| l[0])
        };
        assert_eq!(label(&["bee/1.png", "bee/2.png"], "x"), Some(1));
        assert_eq!(label(&["set/ant/a/1.png", "set/ant/b/1.png"], "x"), Some(0));
        assert_eq!(label(&["1.png", "2.png"], "pictures/bee"), Some(1));
        assert_eq!(label(&["1.png", "2.png"], "pictures/bees"), None);
        assert_eq!(label(&["bee/1.png", "ant/2.png"], "x"), None);
    }
}
