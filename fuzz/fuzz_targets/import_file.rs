#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gad_fuzz::import_file::run(data));
