//! Every kernel with every variant, as naga writes it for Vulkan, GL and DX12, given to compilers that share nothing with
//! naga: the validator of SPIR-V, the reference compiler of GLSL, and Microsoft's of HLSL. `tests/compilers.sh` brings them.

use crate::shaders::{Variants, capabilities, failures, reached, read};
use naga::ShaderStage;
use naga::back::{glsl, hlsl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::Capabilities;
use onebit::program::Kernel;
use onebit::shader::Wgsl;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether bounds are checked and loops bounded, as for text of others, or not, as for this crate's.
const CHECKED: [bool; 2] = [false, true];

fn bounds(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

/// What a tool says of a file, if it does not accept it.
fn refused(tool: &mut Command) -> Result<(), Box<dyn Error>> {
    let said = tool.output().map_err(|e| format!("{:?}: {e}: tests/compilers.sh installs it", tool.get_program()))?;
    match said.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{tool:?}:\n{}{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        )
        .into()),
    }
}

/// SPIR-V of the versions that wgpu takes for Vulkan 1.0, 1.1 and 1.3.
fn spirv(kernel: &Kernel, file: &Path) -> Result<(), Box<dyn Error>> {
    let (module, info) = read(kernel)?;
    let wanted = capabilities(kernel.source.text());
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    for (lang_version, environment) in [((1, 0), "vulkan1.0"), ((1, 3), "vulkan1.1"), ((1, 6), "vulkan1.3")] {
        let (subgroups, matrices) = (Capabilities::SUBGROUP, Capabilities::COOPERATIVE_MATRIX);
        if (wanted.contains(subgroups) && lang_version < (1, 3)) || (wanted.contains(matrices) && lang_version < (1, 6))
        {
            continue;
        }
        for checked in CHECKED {
            let options = spv::Options {
                lang_version,
                bounds_check_policies: bounds(checked),
                force_loop_bounding: checked,
                zero_initialize_workgroup_memory: match checked {
                    true => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
                    false => spv::ZeroInitializeWorkgroupMemoryMode::None,
                },
                ..Default::default()
            };
            let words = spv::write_vec(&module, &info, &options, Some(&pipeline))?;
            fs::write(file, words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>())?;
            refused(Command::new("spirv-val").args(["--target-env", environment]).arg(file))?;
        }
    }
    Ok(())
}

/// GLSL of OpenGL ES 3.1 and of OpenGL 4.3, the first ones with compute shaders.
fn glsl(kernel: &Kernel, file: &Path) -> Result<(), Box<dyn Error>> {
    let (module, info) = read(kernel)?;
    let pipeline =
        glsl::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into(), multiview: None };
    for version in [glsl::Version::new_gles(310), glsl::Version::Desktop(430)] {
        for checked in CHECKED {
            let mut text = String::new();
            let options = glsl::Options { version, zero_initialize_workgroup_memory: checked, ..Default::default() };
            glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, bounds(checked))?.write()?;
            fs::write(file, text)?;
            refused(Command::new("glslangValidator").args(["-S", "comp"]).arg(file))?;
        }
    }
    Ok(())
}

/// HLSL of shader model 6.0, or of 6.2 for f16, as wgpu has it written.
fn hlsl(kernel: &Kernel, checked: bool) -> Result<String, Box<dyn Error>> {
    let (module, info) = read(kernel)?;
    let half = capabilities(kernel.source.text()).contains(Capabilities::SHADER_FLOAT16);
    let special = hlsl::BindTarget { space: 255, ..Default::default() };
    let options = hlsl::Options {
        shader_model: if half { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V6_0 },
        special_constants_binding: Some(special),
        zero_initialize_workgroup_memory: checked,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None)?;
    Ok(text)
}

/// Every text once, with the first constants that it is met with: they are shapes, and there are ten thousand.
fn kernels() -> Vec<Kernel> {
    let mut by_text: BTreeMap<Wgsl, Kernel> = BTreeMap::new();
    for ((text, _), kernel) in reached(Variants::Every).kernels {
        by_text.entry(text).or_insert(kernel);
    }
    by_text.into_values().collect()
}

/// A file name of its own for each kernel, so that threads do not meet.
struct Names(tempfile::TempDir, AtomicUsize);

impl Names {
    fn new() -> Names {
        Names(tempfile::tempdir().expect("a temporary folder"), AtomicUsize::new(0))
    }

    fn next(&self, extension: &str) -> PathBuf {
        self.0.path().join(format!("{}.{extension}", self.1.fetch_add(1, Ordering::Relaxed)))
    }
}

fn none(failures: Vec<String>, kernels: usize, compiler: &str) {
    assert!(failures.is_empty(), "{compiler} refuses {} of {kernels} kernels\n{}", failures.len(), failures.join("\n"));
    println!("{compiler} accepts {kernels} kernels");
}

#[test]
#[ignore = "needs compilers, which tests/compilers.sh brings"]
fn compiler_spirv_val_accepts_every_kernel() {
    let (kernels, names) = (kernels(), Names::new());
    let has_matrices = |k: &Kernel| capabilities(k.source.text()).contains(Capabilities::COOPERATIVE_MATRIX);
    // Older versions do not know cooperative matrices, and refuse whatever has them by the number of the capability.
    let unknown = AtomicUsize::new(0);
    let failed = failures(&kernels, |k| {
        let said = spirv(k, &names.next("spv")).err()?.to_string();
        if has_matrices(k) && said.contains("Invalid capability operand: 6022") {
            unknown.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(said)
    });
    let unknown = unknown.into_inner();
    if unknown > 0 {
        println!(
            "this spirv-val knows no cooperative matrices: it was no test of the {unknown} kernels that have them"
        );
    }
    none(failed, kernels.len() - unknown, "spirv-val");
}

#[test]
#[ignore = "needs compilers, which tests/compilers.sh brings"]
fn compiler_glslang_accepts_every_kernel() {
    // GL has neither f16 nor matrices.
    let plain = |k: &Kernel| capabilities(k.source.text()).is_empty();
    let (kernels, names) = (kernels().into_iter().filter(plain).collect::<Vec<_>>(), Names::new());
    let failed = failures(&kernels, |k| glsl(k, &names.next("comp")).err().map(|e| e.to_string()));
    none(failed, kernels.len(), "glslangValidator");
}

#[test]
#[ignore = "needs compilers, which tests/compilers.sh brings"]
fn compiler_dxc_accepts_every_kernel() {
    let library = std::env::var("ONEBIT_DXC").expect("tests/compilers.sh sets ONEBIT_DXC");
    // DX12 has no matrices.
    let runs = |k: &Kernel| !capabilities(k.source.text()).contains(Capabilities::COOPERATIVE_MATRIX);
    let (kernels, names) = (kernels().into_iter().filter(runs).collect::<Vec<_>>(), Names::new());
    let write = |k: &Kernel| -> Result<(), Box<dyn Error>> {
        for checked in CHECKED {
            let text = hlsl(k, checked)?;
            // The first line names the kernel in what the compiler says.
            fs::write(names.next("hlsl"), format!("// {} {:?} checked: {checked}\n{text}", k.name, k.constants))?;
        }
        Ok(())
    };
    let failed = failures(&kernels, |k| write(k).err().map(|e| e.to_string()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dxc.py");
    refused(Command::new("python3").arg(script).arg(library).arg(names.0.path())).unwrap_or_else(|e| panic!("{e}"));
    println!("DXC accepts {} kernels", kernels.len());
}
