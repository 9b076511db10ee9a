//! Labels that are numbers without names: which classes they make, and what is odd about them.

use super::super::folder::sort_classes;

/// Classes that numbers may make; ImageNet-21k has 21,841.
const MOST_CLASSES: i64 = 1 << 16;

/// What some numbered labels say: the names of their classes, and what a user should know of them.
#[derive(Debug)]
pub(super) struct Numbered {
    pub classes: Vec<String>,
    pub notes: Vec<String>,
}

/// Classes 0 up to the largest label. `whose` is what the labels are of, for messages: "training ", or nothing.
///
/// # Errors
/// With a sentence, if a label is below 0, or so large that it is none.
pub(super) fn numbered(labels: &[i64], whose: &str) -> Result<Numbered, String> {
    let place = |wrong: &dyn Fn(i64) -> bool| labels.iter().position(|&l| wrong(l));
    if let Some(i) = place(&|l| l < 0) {
        return Err(format!(
            "the label of image {i} is {}, below 0: classes are numbered from 0; leave out images without a class",
            labels[i]
        ));
    }
    if let Some(i) = place(&|l| l >= MOST_CLASSES) {
        return Err(format!(
            "the label of image {i} is {}: classes are numbered from 0 up to {} at most; number them anew",
            labels[i],
            MOST_CLASSES - 1
        ));
    }
    let most = labels.iter().max().map_or(0, |m| m + 1);
    let mut images = vec![0usize; most as usize];
    labels.iter().for_each(|&l| images[l as usize] += 1);
    // A byte has no -1, by which labels say "none": it becomes 255.
    if most == 256 && images[254] == 0 {
        return Err(format!(
            "{} images have the label 255, the first one is image {}, and no image has 254: 255 is how a byte stores -1, \
             which means no label. Leave these images out, or number the classes from 0",
            images[255],
            labels.iter().position(|&l| l == 255).unwrap_or(0)
        ));
    }
    let empty: Vec<usize> = (0..images.len()).filter(|&c| images[c] == 0).collect();
    let mut notes = Vec::new();
    if !empty.is_empty() {
        notes.push(format!(
            "{} of the {most} classes have no {whose}images ({}): the largest label is {}",
            empty.len(),
            ranges(&empty),
            most - 1
        ));
    }
    Ok(Numbered { classes: (0..most).map(|c| c.to_string()).collect(), notes })
}

/// The sentence about the first label that is none of so many classes.
pub(super) fn outside(labels: &[i64], classes: usize) -> Option<String> {
    let i = labels.iter().position(|&l| l < 0 || l as u64 >= classes as u64)?;
    Some(format!(
        "the label of image {i} is {}, out of the range 0..={} of {classes} classes: the file is damaged or of another data \
         set",
        labels[i],
        classes.saturating_sub(1)
    ))
}

/// Sorted numbers in words: "1, 3 to 7, 9".
fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &n in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == n => *end = n,
            _ => runs.push((n, n)),
        }
    }
    let shown = runs.iter().take(8).map(|(a, b)| if a == b { a.to_string() } else { format!("{a} to {b}") });
    let more = if runs.len() > 8 { ", ..." } else { "" };
    format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
}

/// The different ones of some names, in the order of classes.
pub(super) fn in_order(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    sort_classes(&mut names);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_images_are_said() {
        let all = numbered(&[2, 0, 1], "training ").unwrap();
        assert_eq!((all.classes, all.notes.len()), (["0", "1", "2"].map(String::from).to_vec(), 0));
        let some = numbered(&[9, 2, 4, 4], "training ").unwrap();
        assert_eq!(some.classes.len(), 10);
        let said = "7 of the 10 classes have no training images (0 to 1, 3, 5 to 8): the largest label is 9";
        assert_eq!(some.notes, [said]);
        assert!(numbered(&[], "training ").unwrap().classes.is_empty());
    }

    #[test]
    fn what_is_no_class_is_refused() {
        let minus = numbered(&[0, 1, -1], "training ").unwrap_err();
        assert!(minus.contains("image 2 is -1"), "{minus}");
        let byte = numbered(&[1, 255, 0, 255], "training ").unwrap_err();
        assert!(byte.starts_with("2 images have the label 255, the first one is image 1"), "{byte}");
        let all_bytes: Vec<i64> = (0..256).collect();
        assert_eq!(numbered(&all_bytes, "training ").unwrap().classes.len(), 256);
        assert!(outside(&[0, 2], 2).unwrap().contains("image 1 is 2, out of the range 0..=1 of 2 classes"));
        assert!(outside(&[-1], 2).unwrap().contains("image 0 is -1"));
        assert_eq!(outside(&[0, 1], 2), None);
        assert!(numbered(&[1 << 40], "training ").unwrap_err().contains("1099511627776"));
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let sorted = |names: &[&str]| in_order(names.iter().map(|n| n.to_string()).collect());
        assert_eq!(sorted(&["10", "9", "1", "9"]), ["1", "9", "10"]);
        assert_eq!(sorted(&["b", "10", "9"]), ["10", "9", "b"]);
    }
}
