//! Ceilings: what is there is measured, what is not there is absent. No bound is set on times.

use crate::devices::devices;
use onebit::bench::Ceilings;
use onebit::device::Device;

#[test]
fn every_device_has_ceilings() {
    for (name, device) in devices() {
        let c = Ceilings::measure(&device, 0.05).unwrap_or_else(|e| panic!("{name}: {e}"));
        let always = [c.f32_gops, c.bit_gops, c.copy_gbs];
        let sometimes = [c.dispatch_us, c.submit_us, c.f16_gops, c.matrix_gops].into_iter().flatten();
        for rate in always.into_iter().chain(sometimes) {
            assert!(rate.is_finite() && rate > 0.0, "{name}: {c:?}");
        }
        assert_eq!(c.dispatch_us.is_some(), matches!(device, Device::Gpu(_)), "{name}");
        println!("{name}: {c:?}");
    }
}
