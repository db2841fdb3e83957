#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gad_fuzz::list_query::run(data));
