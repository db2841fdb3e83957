//! What was signed and is not believed any more: refused on every replica, without waiting for a call to end.

use gad::{domain::UserId, pb, store};

use crate::{
    live::Watcher,
    world::{World, reason, until},
};

/// Raises the version of a user's tokens, as every change of authority does.
pub async fn withdraw_tokens(world: &World, user: i64) {
    let database = store::Database::connect(&world.settings.database).await.unwrap();
    let mut conn = database.lease().await.unwrap();
    let tx = conn.begin(None).await.unwrap();
    let revoked = store::revocation::Revoked::User {
        user: UserId(user),
        version: 2,
    };
    store::revocation::add(&tx, revoked, gad::clock::Clock::system().now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn withdrawn_tokens_are_refused_on_every_replica_and_end_streams() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let supervisor = world.supervisor().await;
    let (here, there) = (supervisor.auth(), supervisor.over(other.channel()).auth());
    here.clone().get_me(pb::GetMeRequest {}).await.unwrap();
    there.clone().get_me(pb::GetMeRequest {}).await.unwrap();
    let mut watcher = Watcher::live(&supervisor.over(other.channel())).await;

    // A transaction that began before and is still open must not hide what commits meanwhile.
    let slow = world.database().await;
    slow.batch_execute("begin; select pg_current_xact_id()").await.unwrap();
    withdraw_tokens(&world, supervisor.id).await;

    for client in [&here, &there] {
        until("the token is refused", async || {
            let refused = client.clone().get_me(pb::GetMeRequest {}).await;
            refused.is_err_and(|status| reason(&status) == "SIGNED_OUT")
        })
        .await;
    }
    assert_eq!(watcher.end().await.reason(), pb::EndReason::AuthRevoked);
    world.agent().await.auth().get_me(pb::GetMeRequest {}).await.unwrap();
    other.stop().await;
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_was_withdrawn_before() {
    let world = World::start().await;
    let supervisor = world.supervisor().await;
    withdraw_tokens(&world, supervisor.id).await;
    let other = world.another_replica().await;
    let refused = supervisor.over(other.channel()).auth().get_me(pb::GetMeRequest {}).await;
    assert_eq!(reason(&refused.unwrap_err()), "SIGNED_OUT");
    other.stop().await;
}
