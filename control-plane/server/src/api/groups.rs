//! Groups of people who may answer questions, as the API shows them.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::{Group, GroupChange, GroupChanged, MAX_GROUP_MEMBERS};

use super::fault;
use super::mutation::{field, input_problem};
use super::operations::busy;
use super::problems::{BusyProblem, InputProblem};
use super::query::{app, caller};

/// People who may answer what is put to their group.
#[derive(SimpleObject)]
pub(crate) struct ApproverGroup {
    /// As `approvers` of a workflow say it.
    name: String,
    members: Vec<String>,
}

impl From<Group> for ApproverGroup {
    fn from(group: Group) -> Self {
        Self {
            name: group.name,
            members: group.members,
        }
    }
}

/// A group to be made, or changed.
#[derive(InputObject)]
pub(crate) struct SetApproverGroupInput {
    /// As `approvers` of a workflow say it.
    name: String,
    /// Everybody in it, in the place of those there are; nobody: the group is gone. Absent: those there are.
    members: Option<Vec<String>>,
    /// Who is in it besides; a group that is not there is made.
    #[graphql(default)]
    add: Vec<String>,
    /// Who is not in it any more; without anybody the group is gone.
    #[graphql(default)]
    remove: Vec<String>,
}

#[derive(Union)]
pub(crate) enum SetApproverGroupPayload {
    Success(SetApproverGroupSuccess),
    Input(InputProblem),
    Busy(BusyProblem),
}

/// The group has these members.
#[derive(SimpleObject)]
pub(crate) struct SetApproverGroupSuccess {
    group: ApproverGroup,
}

fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Changes of groups.
#[derive(Default)]
pub(crate) struct Groups;

#[Object]
impl Groups {
    /// Says who is in a group: each of them may answer what is put to it, and nobody answers in its own name.
    async fn set_approver_group(
        &self,
        ctx: &Context<'_>,
        input: SetApproverGroupInput,
    ) -> Result<SetApproverGroupPayload> {
        use SetApproverGroupPayload as Payload;
        let mut faults = Vec::new();
        if !is_name(&input.name) {
            faults.push(field("name", "expected 1 to 128 printable characters"));
        }
        let lists = [
            ("members", input.members.as_deref().unwrap_or_default()),
            ("add", &input.add),
            ("remove", &input.remove),
        ];
        for (path, names) in lists {
            if names.len() > MAX_GROUP_MEMBERS || !names.iter().all(|name| is_name(name)) {
                let message = format!("at most {MAX_GROUP_MEMBERS}, each 1 to 128 printable characters");
                faults.push(field(path, message));
            }
        }
        if !faults.is_empty() {
            return Ok(Payload::Input(input_problem(faults)));
        }
        let change = GroupChange {
            name: input.name,
            members: input.members,
            add: input.add,
            remove: input.remove,
        };
        let changed = app(ctx)?.change_group(caller(ctx)?, change).await;
        Ok(match changed.map_err(|error| fault(&error))? {
            GroupChanged::Now(group) => Payload::Success(SetApproverGroupSuccess { group: group.into() }),
            GroupChanged::TooManyGroups => {
                Payload::Busy(busy("there are too many groups; remove one first".to_owned()))
            }
            GroupChanged::TooManyMembers => {
                let message = format!("the group would have more than {MAX_GROUP_MEMBERS} members");
                Payload::Input(input_problem(vec![field("add", message)]))
            }
        })
    }
}
