//! What a node may use: at most what its release asks for and its grant set gives.

use std::collections::BTreeMap;

use flowforge_protocol::NodeId;
use flowforge_protocol::grants::NodeGrants;
use flowforge_protocol::release::GrantRequest;

/// Request ∩ grant, by node. A node without a request gets nothing, whatever the set says.
pub(super) fn intersect(
    requests: &[GrantRequest],
    granted: &BTreeMap<NodeId, NodeGrants>,
) -> BTreeMap<NodeId, NodeGrants> {
    requests
        .iter()
        .filter_map(|request| {
            let grants = granted.get(&request.node)?;
            let destinations = grants
                .destinations
                .iter()
                .filter(|destination| request.destinations.contains(destination))
                .cloned()
                .collect();
            let secrets = grants
                .secrets
                .iter()
                .filter(|(slot, grant)| request.secrets.get(*slot) == Some(&grant.secret))
                .map(|(slot, grant)| (slot.clone(), grant.clone()))
                .collect();
            Some((
                request.node.clone(),
                NodeGrants {
                    destinations,
                    secrets,
                },
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flowforge_protocol::grants::SecretGrant;

    fn grant(secret: &str) -> SecretGrant {
        SecretGrant {
            secret: secret.into(),
            kind: "bearer".into(),
            destinations: vec!["https://chat.example:443".into()],
        }
    }

    #[test]
    fn neither_side_alone_opens_anything() {
        let node: NodeId = "notify".parse().expect("id");
        let other: NodeId = "other".parse().expect("id");
        let requests = [GrantRequest {
            node: node.clone(),
            destinations: vec!["https://a.example:443".into(), "https://b.example:443".into()],
            secrets: BTreeMap::from([("chat".into(), "chat_token".into()), ("asked".into(), "x".into())]),
        }];
        let set = NodeGrants {
            destinations: vec!["https://b.example:443".into(), "https://c.example:443".into()],
            secrets: BTreeMap::from([
                ("chat".into(), grant("chat_token")),
                ("asked".into(), grant("another")),
                ("unasked".into(), grant("y")),
            ]),
        };
        let granted = BTreeMap::from([(node.clone(), set.clone()), (other.clone(), set)]);
        let result = intersect(&requests, &granted);
        assert_eq!(result.get(&other), None, "never asked for");
        let node = &result[&node];
        assert_eq!(node.destinations, ["https://b.example:443"]);
        assert_eq!(node.secrets.keys().collect::<Vec<_>>(), ["chat"]);
        assert!(intersect(&requests, &BTreeMap::new()).is_empty());
    }
}
