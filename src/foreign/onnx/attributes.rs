//! The attributes of a node: what is asked for is taken, and what is left over is not understood.

use super::model::{Attribute, Constant, Node, Tensor};
use crate::foreign::Checked;
use std::cell::RefCell;
use std::collections::BTreeSet;

pub struct Attributes<'a> {
    node: &'a Node,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Attributes<'a> {
    pub fn of(node: &'a Node) -> Attributes<'a> {
        Attributes { node, asked: RefCell::default() }
    }

    fn find(&self, name: &'static str) -> Option<&'a Attribute> {
        self.asked.borrow_mut().insert(name);
        self.node.attribute.iter().find(|a| a.name == name)
    }

    pub fn int(&self, name: &'static str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    pub fn float(&self, name: &'static str, default: f32) -> f32 {
        self.find(name).map_or(default, |a| a.f)
    }

    pub fn ints(&self, name: &'static str) -> Option<&'a [i64]> {
        self.find(name).map(|a| a.ints.as_slice())
    }

    pub fn text(&self, name: &'static str) -> String {
        self.find(name).map_or(String::new(), |a| String::from_utf8_lossy(&a.s).into_owned())
    }

    pub fn tensor(&self, name: &'static str) -> Checked<Option<Constant>> {
        self.find(name).and_then(|a| a.t.as_ref()).map(Tensor::constant).transpose()
    }

    /// A number that must be what is taken for granted.
    pub fn only(&self, name: &'static str, allowed: i64) -> Checked<()> {
        match self.int(name, allowed) {
            n if n == allowed => Ok(()),
            n => Err(format!("{name} = {n} is not read, {allowed} is")),
        }
    }

    /// Fails if the node says something that nobody asked for.
    pub fn all_understood(&self) -> Checked<()> {
        let asked = self.asked.borrow();
        match self.node.attribute.iter().find(|a| !asked.contains(a.name.as_str())) {
            None => Ok(()),
            Some(a) => Err(format!("its attribute {} is not known", a.name)),
        }
    }
}
