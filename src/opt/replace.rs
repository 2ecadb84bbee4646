//! Values that stand for others, collected by a pass and then put in their place everywhere.

use crate::base::IndexVec;
use crate::ir::{Func, Value};

/// Which value each value is replaced by.
#[derive(Debug)]
pub struct Replace {
    by: IndexVec<Value, Value>,
    any: bool,
}

impl Replace {
    pub fn new(func: &Func) -> Replace {
        Replace { by: func.values.indices().collect(), any: false }
    }

    /// `v` is `by` from now on.
    pub fn set(&mut self, v: Value, by: Value) {
        self.by[v] = self.get(by);
        self.any = true;
    }

    /// What stands for `v`. A value made after [`Replace::new`] stands for itself.
    pub fn get(&self, v: Value) -> Value {
        let mut at = v;
        while let Some(&next) = self.by.get(at)
            && next != at
        {
            at = next;
        }
        at
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Replaces all uses in `func`.
    pub fn apply(&self, func: &mut Func) {
        if self.is_empty() {
            return;
        }
        for data in func.blocks.iter_mut() {
            for &i in &data.insts {
                func.insts[i].op.each_use_mut(|v| *v = self.get(*v));
            }
            data.term.each_use_mut(|v| *v = self.get(*v));
        }
    }
}
