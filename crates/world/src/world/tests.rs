mod absent;
mod fixtures;
mod rules;
mod simulation;
mod slices;
