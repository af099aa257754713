use std::collections::BTreeSet;

use super::*;
use crate::image::Stored;
use crate::testing::{Archive, Scratch};

/// A layer with one file, and its archive.
fn layer(content: &str) -> (Layer, Vec<u8>) {
    let archive = Archive::new().dir("./").file("file", content).end();
    (Layer { stored: Stored::Named("layer".into()), plain: Digest::of(&archive) }, archive)
}

fn add(layers: &Layers, content: &str) -> Digest {
    let (layer, archive) = layer(content);
    layers.chain(Limits::default()).add(&layer, &mut &*archive).unwrap();
    layer.plain
}

#[test]
fn a_key_is_of_a_layer_and_all_below() {
    let digest = |number: u8| Digest::of(&[number]);
    let first = key_over(None, &digest(1));
    assert_eq!(first, digest(1), "the lowest has its own");
    let second = key_over(Some(&first), &digest(2));
    assert_eq!(second, Digest::of(format!("{} {}", digest(1), digest(2)).as_bytes()));
    assert_ne!(key_over(Some(&digest(3)), &digest(2)), second);
    let long = Digest::parse(&format!("sha512:{}", "0a".repeat(64))).unwrap();
    assert_eq!(key_over(None, &long).hex().len(), layers::KEY);
}

#[test]
fn a_layer_is_unpacked_once_and_whole() {
    let scratch = Scratch::new("layers-once");
    let layers = Layers::open(&scratch.path().join("store"), 0o700).unwrap();
    let mode = layers.dir().metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    // What a kill has left.
    let (one, archive) = layer("one");
    let new = layers.dir().join(format!("{NEW}{}", one.plain.hex()));
    std::fs::create_dir_all(new.join("tree/left")).unwrap();
    std::fs::write(new.join("tree/file"), "part").unwrap();
    let key = add(&layers, "one");
    assert_eq!(std::fs::read_to_string(layers.tree_of(&key).join("file")).unwrap(), "one");
    assert!(!new.exists() && !layers.tree_of(&key).join("left").exists());
    // Not read again.
    let mut chain = layers.chain(Limits::default());
    chain.add(&one, &mut std::io::empty()).unwrap();
    let mut small = layers.chain(Limits { bytes: 2, ..Limits::default() });
    assert!(small.add(&one, &mut std::io::empty()).unwrap_err().what.contains("2 bytes"));
    // One that is cut off, and one that is another.
    let (two, other) = layer("two");
    for wrong in [&other[..600], &archive] {
        let mut chain = layers.chain(Limits::default());
        chain.add(&two, &mut &*wrong).unwrap_err();
        assert_eq!(layers.all().unwrap(), std::slice::from_ref(&key));
    }
    assert_eq!(layers.verify(&key).unwrap(), None);
    std::fs::write(layers.tree_of(&key).join("file"), "eno").unwrap();
    assert!(layers.verify(&key).unwrap().unwrap().what.contains("changed"));
}

#[test]
fn what_a_configuration_names_stays() {
    let scratch = Scratch::new("layers-prune");
    let layers = Layers::open(&scratch.path().join("store"), 0o700).unwrap();
    let lxcpath = scratch.path().join("lxc");
    let names = ["image", "container", "snapshot", "restored", "old", "nobody"];
    let keys = names.map(|name| add(&layers, name));
    let configure = |file: &str, key: &Digest| {
        let file = lxcpath.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let tree = layers.tree_of(key);
        std::fs::write(file, format!("lxc.rootfs.path = overlay:{}:/x\n", tree.display())).unwrap();
    };
    configure("a/config", &keys[1]);
    configure("a/snaps/snap0/config", &keys[2]);
    configure("b/.restore/files/config", &keys[3]);
    configure("../lxcsnaps/a/snap0/config", &keys[4]);
    std::fs::write(lxcpath.join("a/file"), "").unwrap();
    layers.store.note(&lxcpath).unwrap();
    let wanted = BTreeSet::from([keys[0].clone()]);
    let dry = layers.prune(&wanted, &[], true).unwrap();
    assert_eq!((dry.layers, layers.all().unwrap().len()), (1, 6));
    std::fs::create_dir(layers.dir().join(format!("{OLD}x"))).unwrap();
    assert_eq!(layers.prune(&wanted, &[], false).unwrap(), dry);
    let mut left: Vec<_> = keys[..5].to_vec();
    left.sort();
    assert_eq!(layers.all().unwrap(), left);
    assert!(!layers.dir().join(format!("{OLD}x")).exists());
    // Something else is in the directory's place, as if its file system were not mounted.
    std::fs::rename(&lxcpath, scratch.path().join("away")).unwrap();
    std::fs::create_dir(&lxcpath).unwrap();
    assert!(layers.prune(&wanted, &[], false).unwrap_err().hint.unwrap().contains("--forget"));
    assert_eq!(layers.all().unwrap(), left);
    let path = std::fs::canonicalize(&lxcpath).unwrap();
    assert_eq!(layers.prune(&wanted, &[path], false).unwrap().layers, 4);
    assert_eq!(layers.all().unwrap(), wanted.into_iter().collect::<Vec<_>>());
}
