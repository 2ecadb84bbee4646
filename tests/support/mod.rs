//! What the test programs share: the format of cases, expectations, features of the machine, running.

pub mod cases;
pub mod expect;
pub mod features;
pub mod kernel_case;
pub mod library;
pub mod rows;
pub mod run;
pub mod selftest;
pub mod tools;
pub mod workload;
