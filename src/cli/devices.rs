//! `onebit devices`.

use crate::console::text::{mib, say};
use crate::gpu::{AdapterReport, adapters};
use crate::kernels::isa::{Isa, VARIABLE};
use crate::train::choose::choose;
use serde_json::json;
use std::process::ExitCode;

/// Lists the devices that training can run on, and which one `--device auto` takes.
///
/// Examples:
///
///     onebit devices
///     onebit devices --json
///     onebit train --device 0          the adapter with number 0
///     onebit train --device vulkan     the first Vulkan adapter, a real GPU before a software one
///     onebit train --device nvidia     the first adapter whose name holds "nvidia"
///     onebit train --device cpu        no adapter at all
///     ONEBIT_ISA=portable onebit train --device cpu    the CPU's kernels without its vector instructions
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON for programs.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let all = adapters();
    let auto = choose("auto")?;
    let threads = rayon::current_num_threads();
    let (isa, here) = (Isa::chosen()?, Isa::all().iter().map(Isa::to_string).collect::<Vec<_>>());
    if args.json {
        let list: Vec<_> = all.iter().enumerate().map(|(i, a)| a.json(i)).collect();
        let value = json!({
            "cpu": { "threads": threads, "isa": isa.to_string(), "isa_of_machine": here },
            "adapters": list,
            "auto": { "device": auto.device.name(), "select": auto.select, "why": auto.why },
        });
        say(serde_json::to_string_pretty(&value)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("cpu  the CPU device: {threads} threads, fast kernels of its own, no driver needed"))?;
    say(format!("     kernels for {isa}; this machine has {}, and {VARIABLE} chooses among them", here.join(", ")))?;
    for (i, a) in all.iter().enumerate() {
        let l = a.adapter.limits();
        say(format!("{i:3}  {}", a.describe()))?;
        match &a.usable {
            Ok(()) => say(format!(
                "     {}; one tensor up to {}, {} storage buffers and {} bytes of workgroup memory a kernel",
                kind(a),
                mib(l.max_storage_buffer_binding_size.min(l.max_buffer_size) as usize),
                l.max_storage_buffers_per_shader_stage,
                l.max_compute_workgroup_storage_size,
            ))?,
            Err(why) => say(format!("     cannot be used: {why}"))?,
        }
    }
    say(format!("\nauto takes {} because {}", auto.device.name(), auto.why))?;
    Ok(ExitCode::SUCCESS)
}

fn kind(a: &AdapterReport) -> &'static str {
    match a.info.device_type {
        _ if a.is_software() => "software: a CPU that plays a GPU",
        wgpu::DeviceType::DiscreteGpu => "GPU with memory of its own",
        wgpu::DeviceType::IntegratedGpu => "GPU that shares the machine's memory",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        _ => "GPU",
    }
}
