//! A packed model of any bytes: an error, or a network that runs. The checksum is made right, so that more than the header
//! is reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::deploy::{Runtime, file};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzzed.1bit");
    let _ = file::decode(bytes, path);
    if bytes.len() < 24 {
        return;
    }
    let mut whole = bytes.to_vec();
    whole[..8].copy_from_slice(file::MAGIC);
    whole[8..12].copy_from_slice(&file::VERSION.to_le_bytes());
    let crc = crc32fast::hash(&whole[24..]);
    whole[12..16].copy_from_slice(&crc.to_le_bytes());
    let length = (whole.len() - 24) as u64;
    whole[16..24].copy_from_slice(&length.to_le_bytes());
    let Ok(net) = file::decode(&whole, path) else { return };
    assert_eq!(file::decode(&file::encode(&net), path).expect("what is read is written alike"), net);
    let metas = net.infer().expect("decode asked");
    // Small ones run too.
    if metas.iter().map(|m| m.len()).sum::<usize>() < 1 << 14 && net.multiply_adds().is_ok_and(|(a, b)| a + b < 1 << 18) {
        let mut runtime = Runtime::new(&net, 1).expect("decode asked");
        let image = vec![1; metas[0].len()];
        assert_eq!(runtime.run(&image).expect("of that size").len(), runtime.outputs());
    }
});
