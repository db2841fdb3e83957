//! What was given to the fuzzer, and what it found, does no harm: all that is kept in `fuzz/corpus` goes through the same
//! functions in every test run, without the fuzzer.

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(folder: &Path) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files(folder).into_iter().map(stem).collect()
}

#[test]
fn nothing_that_was_ever_kept_does_harm() {
    for (name, run) in targets::ALL {
        for file in files(&folder().join("corpus").join(name)) {
            // Shown if it fails: the last line names the culprit.
            println!("{}", file.display());
            run(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn every_target_has_its_program_and_tens_of_small_seeds() {
    let all: BTreeSet<String> = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder().join("corpus")), all);
    assert_eq!(names(&folder().join("fuzz_targets")), all);
    assert!(names(&folder().join("dict")).is_subset(&all));
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in &all {
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")),
            "{name} is no program"
        );
        let seeds = files(&folder().join("corpus").join(name));
        assert!(seeds.len() >= 20, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            assert!(fs::metadata(&seed).unwrap().len() < 1024, "{} is large", seed.display());
        }
    }
}

#[test]
fn every_request_made_of_random_choices_keeps_its_rules_or_is_refused() {
    let mut chance = StdRng::seed_from_u64(7);
    for (name, _) in gad::pb::REQUESTS {
        for _ in 0..100 {
            let mut choices = vec![0; chance.random_range(0..512)];
            chance.fill(choices.as_mut_slice());
            targets::request::run(&[name.as_bytes(), b"\nchoices\n", &choices].concat());
        }
    }
}
