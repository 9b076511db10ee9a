//! A profile as tables for people: by pass, layer, op and node.

use super::report::{Clock, Node, Profile};
use crate::bench::Ceilings;
use std::collections::BTreeMap;
use std::fmt;

/// Rows of each table.
const ROWS: usize = 15;

/// Times and work of some nodes together.
#[derive(Clone, Debug, Default)]
struct Sum {
    nodes: usize,
    commands: usize,
    us: f64,
    operations: f64,
    bytes: f64,
    /// Least time that the ceilings allow, in microseconds.
    least_us: Option<f64>,
}

impl Sum {
    fn join(&mut self, other: &Sum) {
        self.nodes += other.nodes;
        self.commands += other.commands;
        self.us += other.us;
        self.operations += other.operations;
        self.bytes += other.bytes;
        if let Some(least) = other.least_us {
            *self.least_us.get_or_insert(0.0) += least;
        }
    }

    fn add(&mut self, n: &Node) {
        self.nodes += 1;
        self.commands += n.commands;
        self.us += n.us;
        self.operations += n.operations;
        self.bytes += n.bytes;
        if let Some(reached) = n.reached {
            *self.least_us.get_or_insert(0.0) += reached * n.us;
        }
    }

    /// Gop/s where all that counts is operations, GB/s elsewhere.
    fn rate(&self) -> String {
        match self.us {
            us if us <= 0.0 => String::new(),
            us if self.operations > 0.0 => format!("{:.1} Gop/s", 1e-3 * self.operations / us),
            us => format!("{:.2} GB/s", 1e-3 * self.bytes / us),
        }
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, name: &str, width: usize, total: f64) -> fmt::Result {
        let reached = self.least_us.map_or(String::new(), |l| format!("{:.1} %", 100.0 * l / self.us.max(1e-9)));
        let share = 100.0 * self.us / total.max(1e-9);
        writeln!(
            f,
            "{:width$}  {:>5} {:>9} {:>11.1} {share:>6.1} % {:>14} {reached:>9}",
            shortened(name, width),
            self.nodes,
            self.commands,
            self.us,
            self.rate(),
        )
    }
}

/// At most `width` letters.
fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_string();
    }
    name.chars().take(width.saturating_sub(3)).chain("...".chars()).collect()
}

impl Profile {
    fn table(&self, f: &mut fmt::Formatter<'_>, title: &str, key: impl Fn(&Node) -> String) -> fmt::Result {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        self.nodes.iter().for_each(|n| sums.entry(key(n)).or_default().add(n));
        let mut rows: Vec<(String, Sum)> = sums.into_iter().collect();
        rows.sort_by(|a, b| b.1.us.total_cmp(&a.1.us));
        let width = rows.iter().take(ROWS).map(|(n, _)| n.chars().count()).max().unwrap_or(0).clamp(12, 52);
        writeln!(
            f,
            "\n{title:width$}  {:>5} {:>9} {:>11} {:>8} {:>14} {:>9}",
            "nodes", "commands", "us", "share", "rate", "reached"
        )?;
        let total = self.nodes_us();
        rows.iter().take(ROWS).try_for_each(|(name, sum)| sum.row(f, name, width, total))?;
        if rows.len() > ROWS {
            let mut rest = Sum::default();
            rows[ROWS..].iter().for_each(|(_, s)| rest.join(s));
            rest.row(f, &format!("{} more", rows.len() - ROWS), width, total)?;
        }
        Ok(())
    }
}

impl Profile {
    /// Says why shares are over 100 %, if there are any.
    fn say_of_shares_over_all(&self, f: &mut fmt::Formatter<'_>, ceilings: &Ceilings) -> fmt::Result {
        let over = self.nodes.iter().filter(|n| n.reached.is_some_and(|r| r > 1.0));
        let (computing, moving): (Vec<&Node>, Vec<&Node>) = over.partition(|n| n.least_us(ceilings)[0] > n.us);
        if !computing.is_empty() {
            writeln!(
                f,
                "note: {} of {} nodes compute faster than the ceilings allow, over 100 %: ceilings were measured too low, \
                 beside other work of this machine; measure them again with `onebit bench`",
                computing.len(),
                self.nodes.len()
            )?;
        }
        if !moving.is_empty() {
            writeln!(
                f,
                "note: {} of {} nodes read and write faster than copying does, over 100 %: from caches, or copying was \
                 measured too low, beside other work of this machine; `onebit bench` measures it again",
                moving.len(),
                self.nodes.len()
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "recipe  {}, batch {}, {} steps of each kind", self.recipe, self.batch, self.steps)?;
        writeln!(f, "device  {}", self.device)?;
        let clock = match self.clock {
            Clock::Timestamps => "timestamps of the device around every command",
            Clock::Waits => "the host's clock",
        };
        writeln!(f, "timed   by {clock}")?;
        if let Some(note) = &self.note {
            writeln!(f, "        {note}")?;
        }
        self.table(f, "pass", |n| n.pass.clone())?;
        self.table(f, "op", |n| n.ops.clone())?;
        self.table(f, "layer", |n| if n.layer.is_empty() { "(none)".into() } else { n.layer.clone() })?;
        self.table(f, "node", |n| format!("{}.{} {} {}", n.part, n.index, n.layer, n.ops))?;
        if let Some(c) = &self.ceilings {
            let sums = c.sums_gops.map_or(String::new(), |gops| format!("sums looked up {gops:.1} Gop/s, "));
            writeln!(
                f,
                "\nreached: the least time that the device's ceilings allow, as a share of the time taken; ceilings: \
                 f32 {:.1} Gop/s, bits {:.1} Gop/s, {sums}copying {:.2} GB/s (`onebit bench` measures them)",
                c.f32_gops, c.bit_gops, c.copy_gbs
            )?;
            self.say_of_shares_over_all(f, c)?;
        }
        let h = &self.host;
        writeln!(
            f,
            "\nhost, a plain step, us: data {:.1}, encode {:.1}, submit {:.1}, wait {:.1}",
            h.data_us, h.encode_us, h.submit_us, h.wait_us
        )?;
        if let Some(t) = &self.training {
            writeln!(
                f,
                "in training: a step takes {:.1} us, and waits for images for {:.1} us of them: {:.2} % of the step",
                t.step_us,
                t.images_us,
                100.0 * t.images_us / t.step_us
            )?;
        }
        let nodes = self.nodes_us();
        match self.device_us {
            Some(us) => writeln!(
                f,
                "device, us: all nodes together {nodes:.1}; a plain step from first to last {us:.1}; ratio {:.3}",
                nodes / us
            )?,
            None => writeln!(f, "device, us: all nodes together {nodes:.1}")?,
        }
        write!(
            f,
            "what profiling costs: a profiled step takes {:.1} us, a plain one {:.1} us: {:.2} times as long",
            self.profiled_us,
            self.plain_us,
            self.profiled_us / self.plain_us
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Spread;
    use crate::profile::report::Host;
    use crate::program::Operands;

    fn node(index: usize, us: f64) -> Node {
        Node {
            part: 0,
            index,
            ops: format!("op{index}"),
            layer: String::new(),
            pass: "forward".into(),
            commands: 1,
            kernels: vec![],
            us,
            start_us: 0.0,
            operations: 1e6,
            operands: Operands::FloatsAndBits,
            bytes: 1e3,
            reached: None,
        }
    }

    fn profile(sums_gops: Option<f64>, us: f64) -> String {
        let mut profile = Profile {
            version: String::new(),
            device: String::new(),
            recipe: String::new(),
            batch: 1,
            steps: 1,
            clock: Clock::Waits,
            note: None,
            ceilings: None,
            nodes: (0..20).map(|i| node(i, us)).collect(),
            host: Host::default(),
            training: None,
            device_us: None,
            plain_us: 1.0,
            profiled_us: 1.0,
        };
        let [dispatch_us, submit_us, f16_gops, matrix_gops] = [None; 4];
        let (bit_gops, copy_gbs, spread) = (100.0, 10.0, Spread::default());
        profile.against(&Ceilings {
            f32_gops: 5.0,
            sums_gops,
            bit_gops,
            copy_gbs,
            dispatch_us,
            submit_us,
            f16_gops,
            matrix_gops,
            spread,
        });
        profile.to_string()
    }

    #[test]
    fn what_is_left_out_of_a_table_is_summed_whole() {
        // A thousand microseconds at 1 Gop/s, of ceilings of 20.
        let text = profile(Some(20.0), 1000.0);
        let more: Vec<&str> = text.lines().filter(|l| l.starts_with("5 more")).collect();
        assert_eq!(more.len(), 2, "ops and nodes: {text}");
        assert!(more.iter().all(|l| l.contains("1.0 Gop/s") && l.trim_end().ends_with("5.0 %")), "{more:?}");
        assert!(text.contains("bits 100.0 Gop/s, sums looked up 20.0 Gop/s, copying 10.00 GB/s"), "{text}");
        assert!(!text.contains("note: "), "{text}");
        assert!(!profile(None, 1000.0).contains("looked up"));
    }

    #[test]
    fn shares_over_all_are_explained() {
        let text = profile(Some(20.0), 10.0);
        assert!(text.contains("500.0 %") && text.contains("note: 20 of 20 nodes compute faster"), "{text}");
        assert!(text.contains("onebit bench") && !text.contains("faster than copying"), "{text}");
        // What takes a thousandth of a microsecond a byte reads it from a cache.
        let text = profile(Some(1e9), 0.05);
        assert!(text.contains("note: 20 of 20 nodes read and write faster than copying"), "{text}");
    }
}
