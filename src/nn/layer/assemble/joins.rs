//! Where flows meet: sums, products, concatenation, and the blocks that end in one.

use super::{Assembly, Flow};
use crate::error::{Error, Result};
use crate::nn::layer::{Join, Layer, Names};

impl Assembly<'_, '_> {
    pub(super) fn joined(
        &mut self,
        x: Flow,
        with: &Names,
        f: fn(&mut Self, Flow, Flow) -> Result<Flow>,
    ) -> Result<Flow> {
        if with.all().is_empty() {
            return Err(Error::Config("with = []: name at least one layer".into()));
        }
        with.all().iter().try_fold(x, |y, name| {
            let other = self.find(name).map_err(Error::Config)?;
            f(self, y, other)
        })
    }

    pub(super) fn sum(&mut self, x: Flow, other: Flow) -> Result<Flow> {
        let (y, other) = (self.plain(x)?, self.plain(other)?);
        if self.b.g.shape(y) != self.b.g.shape(other) {
            let (a, b) = (self.extents(y), self.extents(other));
            return Err(Error::Config(format!("{b} cannot be added to {a}: both must have the same extents")));
        }
        Ok(self.b.g.add(y, other)?.into())
    }

    /// Of equal extents, or by the numbers of one pixel.
    pub(super) fn product(&mut self, x: Flow, factors: Flow) -> Result<Flow> {
        let y = self.plain(x)?;
        let factors = if self.b.g.shape(y).len() == 4 { self.map(factors)? } else { self.plain(factors)? };
        let (of, by) = (self.b.g.shape(y).clone(), self.b.g.shape(factors).clone());
        let one_pixel = by.len() == 4 && by[1..3] == [1, 1] && by.columns() == of.columns();
        if of != by && !one_pixel {
            let (a, b) = (self.extents(y), self.extents(factors));
            let c = of.columns();
            let what = format!("{a} cannot be multiplied by {b}: give {a}, or a number a channel (1x1x{c})");
            return Err(Error::Config(what));
        }
        Ok(self.b.g.mul(y, factors)?.into())
    }

    pub(super) fn concatenated(&mut self, all: &[Flow]) -> Result<Flow> {
        let maps = all.iter().map(|x| self.map(*x)).collect::<Result<Vec<_>>>()?;
        let first = self.b.g.shape(maps[0])[1..3].to_vec();
        if let Some(other) = maps.iter().find(|v| self.b.g.shape(**v)[1..3] != first[..]) {
            let (a, b) = (self.extents(maps[0]), self.extents(*other));
            let what =
                format!("the channels of {b} cannot be put behind those of {a}: rows and columns must be the same");
            return Err(Error::Config(what));
        }
        if maps.len() == 1 { Ok(maps[0].into()) } else { Ok(self.b.g.concat(&maps, 3)?.into()) }
    }

    pub(super) fn residual(&mut self, label: &str, x: Flow, body: &[Layer], shortcut: &[Layer]) -> Result<Flow> {
        let given: Flow = self.plain(x)?.into();
        let made = self.within(label, given, body)?;
        let made = self.plain(made)?;
        let same = self.b.g.shape(made) == self.b.g.shape(given.y);
        let skip = if same || shortcut.is_empty() {
            given
        } else {
            self.beside(label, ("shortcut", "shortcut"), given, shortcut)?
        };
        let skip = self.plain(skip)?;
        if self.b.g.shape(made) != self.b.g.shape(skip) {
            let (of, made, skip) = (self.extents(given.y), self.extents(made), self.extents(skip));
            return Err(Error::Config(match shortcut {
                [] => {
                    format!("its body makes {made} of {of}, which cannot be added: give it a shortcut that does so too")
                }
                _ => format!("its body makes {made} of {of}, and its shortcut {skip}: they cannot be added"),
            }));
        }
        let sum = self.b.g.add(made, skip)?;
        self.b.residuals.push(sum);
        Ok(sum.into())
    }

    pub(super) fn branches(&mut self, label: &str, x: Flow, branches: &[Vec<Layer>], join: Join) -> Result<Flow> {
        if branches.is_empty() {
            return Err(Error::Config("it has no branches".into()));
        }
        let given: Flow = self.plain(x)?.into();
        let named = branches.iter().enumerate();
        let made = named
            .map(|(i, layers)| self.beside(label, ("branch", &i.to_string()), given, layers))
            .collect::<Result<Vec<_>>>()?;
        match join {
            Join::Concat => self.concatenated(&made),
            Join::Add => made[1..].iter().try_fold(made[0], |y, other| self.sum(y, *other)),
        }
    }
}
