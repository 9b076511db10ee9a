//! Images whose classes stand in a table beside them.

use super::sets::{names, open_files, png, reds, refused};

#[test]
fn classes_stand_in_a_table() {
    let images: Vec<(String, Vec<u8>)> = (0..6).map(|i| (format!("images/{i}.png"), png(i))).collect();
    let with = |table: &str, text: &str| {
        let mut files: Vec<(&str, Vec<u8>)> = images.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
        files.push((table, text.as_bytes().to_vec()));
        open_files(&files)
    };
    for (table, text) in [
        ("labels.csv", "id,breed\n0,cat\n1,dog\n2,cat\n3,dog\n4,eel\n5,eel\n"),
        ("labels.csv", "xid,label\n0,cat\n1,dog\n2,cat\n3,dog\n4,eel\n5,eel\n"),
        ("a/b.csv", "0.png,cat\n1.png,dog\n2.png,cat\n3.png,dog\n4.png,eel\n5.png,eel\n"),
        (
            "labels.tsv",
            "class\tpath\ncat\timages\\0.png\ndog\timages\\1.png\ncat\t2.png\ndog\t3.png\neel\t4.png\neel\t5.png\n",
        ),
        (
            "x.csv",
            "file;class_id;class_name\n0.png;5;cat\n1.png;6;dog\n2.png;5;cat\n3.png;6;dog\n4.png;9;eel\n5.png;9;eel\n",
        ),
        ("labels.csv", "what,kind\n0,cat\n1,dog\n2,cat\n3,dog\n4,eel\n5,eel\n"),
        (
            "images/metadata.jsonl",
            "{\"file_name\":\"0.png\",\"label\":\"cat\"}\n{\"file_name\":\"1.png\",\"label\":\"dog\"}\n\
             {\"file_name\":\"2.png\",\"label\":\"cat\"}\n{\"file_name\":\"3.png\",\"label\":\"dog\"}\n\
             {\"file_name\":\"4.png\",\"label\":\"eel\"}\n{\"file_name\":\"5.png\",\"label\":\"eel\"}\n",
        ),
    ] {
        let split = with(table, text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(names(&split.train), ["cat", "dog", "cat", "dog", "eel", "eel"], "{text}");
        assert_eq!(reds(&split.train), [0, 1, 2, 3, 4, 5]);
        assert!(split.to_string().contains(&format!("3 classes by {table}")), "{split}");
    }
    // Rows without images, images without rows, and rows without a class are counted and named.
    let split = with("labels.csv", "file,label\n0.png,a\n1.png,b\n2.png,\n9.png,a\n").unwrap();
    assert_eq!((split.train.len(), split.left_out.count()), (2, 1 + 1 + 3));
    assert!(split.left_out.to_string().contains("9.png"), "{}", split.left_out);
    // A column of parts.
    let split = with("labels.csv", "file,label,split\n0,a,train\n1,b,train\n2,a,valid\n3,b,test\n4,a,test\n5,b,test\n")
        .unwrap();
    assert_eq!((reds(&split.train), reds(&split.val), reds(&split.test)), (vec![0, 1], vec![2], vec![3, 4, 5]));
    for (text, words) in [
        ("file,label,kind,target\n0,a,x,1\n1,b,x,1\n", &["\"label\" and \"target\"", "labels.csv"][..]),
        ("file,cat,dog\n0,1,0\n1,0,1\n2,1,1\n", &["column of 0 and 1", "cat, dog"]),
        ("file,labels\n0,rust scab\n1,rust\n2,scab\n", &["several classes", "rust scab"]),
        ("file,label\n0,a\n0.png,b\n", &["images/0.png has two classes"]),
        ("file,label\n10.png,a\n11.png,b\n", &["none of them is among the 6 images", "10.png"]),
        ("file,label,split\n0,a,train\n1,b,holdout\n", &["row 3", "\"holdout\" (split)"]),
        ("file,label\n0,a,b\n", &["row 2 has 3 fields"]),
    ] {
        let m = with("labels.csv", text).map(|s| s.to_string()).unwrap_err().to_string();
        words.iter().for_each(|w| assert!(m.contains(w), "{w:?} is not in: {m}"));
    }
}

#[test]
fn what_a_competition_gives_is_read() {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    (0..4).for_each(|i| all.push((format!("train/{i}.jpg.png"), png(i))));
    (0..3).for_each(|i| all.push((format!("test/{i}.jpg.png"), png(100 + i))));
    all.push(("train.csv".into(), b"image_id,label\n0.jpg.png,1\n1.jpg.png,10\n2.jpg.png,9\n3.jpg.png,1\n".to_vec()));
    all.push(("test.csv".into(), b"image_id,x\n0.jpg.png,1\n".to_vec()));
    all.push(("sample_submission.csv".into(), b"image_id,label\n0.jpg.png,0\n1.jpg.png,0\n2.jpg.png,0\n".to_vec()));
    let all: Vec<(&str, Vec<u8>)> = all.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let split = open_files(&all).unwrap();
    // By number, and of the same names in two folders those of the table's part.
    assert_eq!(split.train.classes, ["1", "9", "10"]);
    assert_eq!((names(&split.train), reds(&split.train)), (vec!["1", "10", "9", "1"], vec![0, 1, 2, 3]));
    let said = split.to_string();
    assert!(said.contains("test has no labels and is left out") && said.contains("data.test"), "{said}");
    assert_eq!(split.left_out.count(), 3 + 2);
}

#[test]
fn folders_and_tables_that_disagree_are_told() {
    let images: Vec<(&str, Vec<u8>)> =
        ["a/0.png", "a/1.png", "b/2.png", "b/3.png"].iter().zip(0..).map(|(n, i)| (*n, png(i))).collect();
    let with = |text: &str| [&images[..], &[("labels.csv", text.as_bytes().to_vec())]].concat();
    // The same: the folders are the classes.
    let split = open_files(&with("file,label\n0.png,x\n1.png,x\n2.png,y\n")).unwrap();
    assert_eq!((names(&split.train), split.train.len()), (vec!["a", "a", "b", "b"], 4));
    // A table of all images says more than folders that only divide them.
    let split = open_files(&with("file,label\n0.png,x\n1.png,y\n2.png,x\n3.png,y\n")).unwrap();
    assert_eq!(names(&split.train), ["x", "y", "x", "y"]);
    refused(
        &with("file,label\n0.png,x\n1.png,y\n2.png,x\n"),
        &["other classes than the folders (a, b)", "1 of the images"],
    );
}

#[test]
fn a_table_that_contradicts_class_folders_is_refused() {
    let images: Vec<(&str, Vec<u8>)> =
        ["cat/0.png", "cat/1.png", "dog/2.png", "dog/3.png"].iter().zip(0..).map(|(n, i)| (*n, png(i))).collect();
    let with = |text: &str| [&images[..], &[("labels.csv", text.as_bytes().to_vec())]].concat();
    for text in [
        "file,label\n0.png,dog\n1.png,dog\n2.png,cat\n3.png,cat\n",
        "file,label,split\n0.png,Dog,train\n1.png,Dog,train\n2.png,Cat,test\n3.png,Cat,test\n",
    ] {
        refused(&with(text), &["labels.csv", "cat/0.png", "4 images in all", "move the table elsewhere"]);
    }
    // One label of a table of all images is another one: the table is followed, and that is said.
    let split = open_files(&with("file,label\n0.png,cat\n1.png,dog\n2.png,dog\n3.png,dog\n")).unwrap();
    assert_eq!(names(&split.train), ["cat", "dog", "dog", "dog"]);
    assert!(split.to_string().contains("1 of the images lie in the folder of another class"), "{split}");
    // Numbers that count from another one, and other names for the same, contradict nothing.
    let numbers: Vec<(&str, Vec<u8>)> =
        ["1/0.png", "1/1.png", "2/2.png", "2/3.png"].iter().zip(0..).map(|(n, i)| (*n, png(i))).collect();
    let table = ("labels.csv", b"file,label\n0.png,0\n1.png,0\n2.png,1\n3.png,1\n".to_vec());
    let split = open_files(&[&numbers[..], &[table]].concat()).unwrap();
    assert_eq!(names(&split.train), ["1", "1", "2", "2"]);
    let table = ("labels.csv", b"file,label\n0.png,2\n1.png,2\n2.png,1\n3.png,1\n".to_vec());
    refused(&[&numbers[..], &[table]].concat(), &["1/0.png", "\"2\""]);
}

#[test]
fn an_image_without_a_class_is_left_out_once() {
    let images: Vec<(String, Vec<u8>)> = (0..4).map(|i| (format!("{i}.png"), png(i))).collect();
    let mut files: Vec<(&str, Vec<u8>)> = images.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    files.push(("labels.csv", b"file,label\n0.png,cat\n1.png,dog\n2.png,\n".to_vec()));
    let split = open_files(&files).unwrap();
    let said = split.left_out.to_string();
    assert_eq!(split.left_out.count(), 2, "{said}");
    assert!(said.contains("1 an image without a class in labels.csv (2.png)"), "{said}");
    assert!(said.contains("1 an image that labels.csv does not list (3.png)"), "{said}");
}
