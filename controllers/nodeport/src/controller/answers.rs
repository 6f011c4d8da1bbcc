//! What became of what was sent.

use quaymaster_api::NodePortPoolStatus;
use quaymaster_engine::controller::{Object, Stored};
use quaymaster_engine::{Answer, Verdict};
use quaymaster_model::Uid;
use quaymaster_runtime::api::{Remedy, WriteError};
use quaymaster_world::World;

use super::NodePorts;
use crate::notices;
use crate::range::{self, Told};

impl NodePorts {
    pub(super) fn question_answered(&mut self, world: &World, answer: &Answer<'_>) -> Verdict {
        let told = match &answer.result {
            Err(WriteError::Invalid { message, .. }) => {
                let known = self.asker.known();
                let told = self.asker.refused(message);
                if self.asker.known() != known
                    && let Some(bounds) = self.asker.known()
                {
                    self.learn(world, bounds);
                }
                told
            }
            Err(_) => Told::Nothing,
            Ok(_) => {
                tracing::error!(
                    object = %answer.object,
                    "the apiserver took a Service that asks for its range of node ports and is none: delete it, and give \
                     --service-node-port-range"
                );
                Told::Nothing
            }
        };
        match told {
            Told::Bounds(_) => Verdict::Done,
            Told::More => Verdict::Again,
            Told::Nothing => {
                self.asker.failed();
                Verdict::Retry { notice: None }
            }
        }
    }

    pub(super) fn status_answered(
        &mut self,
        world: &World,
        answer: &Answer<'_>,
        sent: &NodePortPoolStatus,
    ) -> Verdict {
        match &answer.result {
            Ok(Stored::Object(Object::NodePortPool(stored))) => {
                if *stored.status == *sent {
                    return Verdict::Again;
                }
                self.altered
                    .insert(answer.key.clone(), stored.resource_version.clone());
                Verdict::Altered {
                    more: false,
                    notice: notices::altered(stored),
                }
            }
            Ok(_) | Err(WriteError::NotFound { .. }) => Verdict::Done,
            Err(error) => {
                let worth_telling = matches!(error.remedy(), Remedy::Report);
                let pool = Self::pool(world, answer.key).filter(|_| worth_telling);
                Verdict::Retry {
                    notice: pool.map(|pool| notices::not_written(pool, error)),
                }
            }
        }
    }

    pub(super) fn move_answered(
        &mut self,
        world: &World,
        answer: &Answer<'_>,
        uid: Uid,
        ports: &[(usize, u16)],
        pools: &[String],
    ) -> Verdict {
        let Some(moves) = &mut self.moves else {
            return Verdict::Done;
        };
        match &answer.result {
            Ok(Stored::Object(Object::Service(stored))) => {
                // Once, whatever became of it: whoever undoes it is not to be fought.
                moves.note(answer.key, uid);
                let numbers: Vec<String> = ports.iter().map(|(_, port)| port.to_string()).collect();
                let is_there = |(place, port): &(usize, u16)| {
                    stored
                        .ports
                        .get(*place)
                        .is_some_and(|stored| stored.node_port == *port)
                };
                if ports.iter().all(is_there) {
                    let note = format!(
                        "Node ports were moved to {}, of NodePortPool {}, since those of before were of no pool for this Service",
                        numbers.join(", "),
                        pools.join(", ")
                    );
                    let notice = notices::moved(stored, note);
                    moves.notices.insert(answer.key.clone(), notice);
                    return Verdict::Again;
                }
                let note = format!(
                    "Node ports {} were not stored as they were sent: an admission plugin changes what quaymaster writes",
                    numbers.join(", ")
                );
                Verdict::Altered {
                    more: false,
                    notice: notices::not_moved(stored, note),
                }
            }
            Ok(_) | Err(WriteError::NotFound { .. }) => Verdict::Done,
            Err(error) => {
                // One of ours that the apiserver does not have after all.
                if let WriteError::Invalid { message, .. } = error
                    && let Some(bounds) = range::bounds(message)
                    && self.asker.learned(bounds)
                {
                    self.learn(world, bounds);
                }
                Verdict::Retry { notice: None }
            }
        }
    }
}
