//! The loop, with a controller that follows a script, an apiserver that is the test itself, and time that waits for
//! nobody.

mod answers;
mod order;
mod pace;
mod rig;
mod turns;
