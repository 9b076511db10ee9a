//! Which tensors of a file are the network's: what wrappers put before their names goes, and other networks beside it are left.

/// What wrappers put before all names: data parallelism, compilers, and classes that hold a network as a member.
const WRAPPERS: [&str; 9] =
    ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "network.", "net.", "resnet.", "encoder_q."];

/// Share of the names that must have a prefix for it to be a wrapper's: the rest may be heads beside the network.
const NEARLY_ALL: f64 = 0.9;

/// A method that keeps several networks in one state dict: how the one that it trains is called, and what lies beside it.
struct Method {
    trained: &'static str,
    beside: &'static [&'static str],
    /// Whether the last layer of the network is the method's projection, and not one of classes.
    projects: bool,
}

/// MoCo and S2-BNN; BURN, and BYOL by the same library (their `online_net.0` is `backbone`, twice in the file).
const METHODS: [Method; 2] = [
    Method { trained: "encoder_q.", beside: &["encoder_k.", "queue"], projects: true },
    Method {
        trained: "backbone.",
        beside: &["online_net.", "target_net.", "diff_branch_net.", "diff_branch_head.", "head."],
        projects: false,
    },
];

/// The tensors of one network.
pub(super) struct Alone<'a> {
    /// Places in the file's list, and names without what wrappers put before them.
    pub(super) names: Vec<(usize, &'a str)>,
    /// Names of what lies beside it in the file.
    pub(super) left: Vec<String>,
    /// Whether its last layer is a projection.
    pub(super) projects: bool,
}

/// Takes the network's tensors out of those of a file.
pub(super) fn alone(mut names: Vec<(usize, &str)>) -> Alone<'_> {
    strip_wrappers(&mut names);
    let mut left = Vec::new();
    let any = |prefix: &str| names.iter().any(|(_, n)| n.starts_with(prefix));
    let method = METHODS.iter().find(|m| any(m.trained) && m.beside.iter().any(|other| any(other)));
    let projects = method.is_some_and(|m| m.projects);
    if let Some(m) = method {
        left =
            m.beside.iter().filter(|other| any(other)).map(|other| other.trim_end_matches('.').to_string()).collect();
        names.retain(|(_, n)| !m.beside.iter().any(|other| n.starts_with(other)));
        names.iter_mut().for_each(|(_, n)| *n = n.strip_prefix(m.trained).unwrap_or(n));
        strip_wrappers(&mut names);
    }
    Alone { names, left, projects }
}

fn strip_wrappers(names: &mut [(usize, &str)]) {
    let shared = |names: &[(usize, &str)], prefix: &str| {
        let with = names.iter().filter(|(_, n)| n.starts_with(prefix)).count();
        with > 0 && with as f64 >= NEARLY_ALL * names.len() as f64
    };
    // Wrappers may hold each other ("module.backbone.conv1.weight").
    while let Some(prefix) = WRAPPERS.iter().find(|p| shared(names, p)) {
        for (_, name) in names.iter_mut() {
            *name = name.strip_prefix(prefix).unwrap_or(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&'static str]) -> (Vec<&'static str>, Vec<String>, bool) {
        let found = alone(names.iter().copied().enumerate().collect());
        (found.names.into_iter().map(|(_, n)| n).collect(), found.left, found.projects)
    }

    #[test]
    fn the_trained_network_is_taken_and_the_rest_named() {
        let (names, left, projects) = of(&[
            "module.encoder_q.conv1.weight",
            "module.encoder_q.fc.0.weight",
            "module.encoder_k.conv1.weight",
            "module.queue",
        ]);
        assert_eq!((names, projects), (vec!["conv1.weight", "fc.0.weight"], true));
        assert_eq!(left, ["encoder_k", "queue"]);
        let (names, left, projects) = of(&[
            "online_net.0.fc.0.bias",
            "online_net.1.mlp.0.bias",
            "backbone.fc.0.bias",
            "diff_branch_net.0.conv1.weight",
        ]);
        assert_eq!((names, projects), (vec!["fc.0.bias"], false));
        assert_eq!(left, ["online_net", "diff_branch_net"]);
        // Without another network beside it, it is a wrapper.
        assert_eq!(of(&["module.backbone.conv1.weight"]), (vec!["conv1.weight"], vec![], false));
    }
}
