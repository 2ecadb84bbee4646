//! Predecessors, dominators, orders of blocks.
