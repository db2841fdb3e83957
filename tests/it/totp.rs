//! The second factor.

use gad::{config::DEMO_PASSWORD, domain::mail::Purpose, pb};
use jiff::SignedDuration;

use crate::{
    newcomer::{Hands, Newcomer, app, code},
    world::{World, reason},
};

const STEP: SignedDuration = SignedDuration::from_secs(30);

#[tokio::test]
async fn a_code_is_asked_for_after_the_password_and_works_once() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let me = rosa.sign_in().await;
    let (app, _) = rosa.enrol(&me, hands.get()).await;
    let missing = rosa.login(DEMO_PASSWORD, "").await.unwrap_err();
    assert_eq!(
        (missing.code(), reason(&missing).as_str()),
        (tonic::Code::Unauthenticated, "SECOND_FACTOR_REQUIRED")
    );
    let wrong = rosa.login("wrong", "").await.unwrap_err();
    assert_eq!(
        reason(&wrong),
        "WRONG_CREDENTIALS",
        "who does not know the password is told nothing"
    );
    let wrong = rosa.login("wrong", &code(&app, hands.get() + STEP)).await.unwrap_err();
    assert_eq!(reason(&wrong), "WRONG_CREDENTIALS");
    let used = rosa.login(DEMO_PASSWORD, &code(&app, hands.get())).await.unwrap_err();
    assert_eq!(reason(&used), "WRONG_CREDENTIALS", "the code that confirmed it is used up");
    // Clocks differ: a step ahead is as good, and what was before it is used up as well.
    hands.pass(STEP * 3);
    let (before, now, after) = (
        code(&app, hands.get() - STEP),
        code(&app, hands.get()),
        code(&app, hands.get() + STEP),
    );
    assert!(rosa.login(DEMO_PASSWORD, &before).await.unwrap().user.unwrap().second_factor);
    rosa.login(DEMO_PASSWORD, &before).await.unwrap_err();
    rosa.login(DEMO_PASSWORD, &after).await.unwrap();
    rosa.login(DEMO_PASSWORD, &now).await.unwrap_err();
    hands.pass(STEP * 5);
    rosa.login(DEMO_PASSWORD, &code(&app, hands.get() - STEP * 2))
        .await
        .unwrap_err();
    rosa.login(DEMO_PASSWORD, &code(&app, hands.get() + STEP * 2))
        .await
        .unwrap_err();
    rosa.login(DEMO_PASSWORD, &code(&app, hands.get())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_come_with_one_code_one_comes_in() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let (app, codes) = rosa.enrol(&rosa.sign_in().await, hands.get()).await;
    hands.pass(STEP);
    for code in [code(&app, hands.get()), codes[0].clone()] {
        // No more than four can fail before the account is locked.
        let attempts = (0..5).map(|_| rosa.login(DEMO_PASSWORD, &code));
        let attempts = futures::future::join_all(attempts).await;
        assert_eq!(attempts.iter().filter(|attempt| attempt.is_ok()).count(), 1);
        rosa.set("failed_logins = 0").await;
    }
}

#[tokio::test]
async fn codes_cannot_be_guessed() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let (app, codes) = rosa.enrol(&rosa.sign_in().await, hands.get()).await;
    hands.pass(STEP);
    let right = code(&app, hands.get());
    let around = [hands.get() - STEP, hands.get(), hands.get() + STEP].map(|at| code(&app, at));
    let wrong = ["000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"];
    for wrong in wrong.iter().filter(|wrong| !around.contains(&(**wrong).to_owned())).take(5) {
        rosa.login(DEMO_PASSWORD, wrong).await.unwrap_err();
        // Asking without a code is no success, and does not count anew.
        rosa.login(DEMO_PASSWORD, "").await.unwrap_err();
    }
    for code in [&right, &codes[0]] {
        assert_eq!(
            reason(&rosa.login(DEMO_PASSWORD, code).await.unwrap_err()),
            "WRONG_CREDENTIALS"
        );
    }
    assert_eq!(rosa.mails().await.last().unwrap().0, Purpose::Locked);
}

#[tokio::test]
async fn a_recovery_code_works_once_in_place_of_the_app() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let (rosa, luis) = (Newcomer::to(&world, "rosa").await, Newcomer::to(&world, "luis").await);
    let me = rosa.sign_in().await;
    let (_, codes) = rosa.enrol(&me, hands.get()).await;
    let (_, others) = luis.enrol(&luis.sign_in().await, hands.get()).await;
    assert_eq!(codes.len(), 10);
    rosa.login(DEMO_PASSWORD, &codes[0]).await.unwrap();
    rosa.login(DEMO_PASSWORD, &codes[0]).await.expect_err("it was used");
    rosa.login(DEMO_PASSWORD, &codes[1].to_lowercase().replace('-', ""))
        .await
        .unwrap();
    rosa.login(DEMO_PASSWORD, &others[0]).await.expect_err("it is another's");
    let fresh = me
        .auth()
        .regenerate_recovery_codes(pb::RegenerateRecoveryCodesRequest {})
        .await;
    let fresh = fresh.unwrap().into_inner().codes;
    rosa.login(DEMO_PASSWORD, &codes[2]).await.expect_err("the former ones ended");
    rosa.login(DEMO_PASSWORD, &fresh[0]).await.unwrap();
}

#[tokio::test]
async fn a_secret_counts_once_a_code_of_it_was_seen() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let me = rosa.sign_in().await;
    let enrol = async || me.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap().into_inner();
    let (first, second) = (enrol().await, enrol().await);
    assert_ne!(first.secret, second.secret);
    assert!(
        second.uri.starts_with("otpauth://totp/GAD:rosa%40gad.example?secret="),
        "{}",
        second.uri
    );
    assert!(second.uri.contains(&second.secret) && second.uri.contains("issuer=GAD"));
    assert!(!rosa.tokens().await.user.unwrap().second_factor);
    let confirm = async |secret: &str| {
        let request = pb::ConfirmTotpRequest {
            code: code(&app(secret), hands.get()),
        };
        let answer = me.auth().confirm_totp(request).await;
        answer.map_or_else(|status| reason(&status), |_| String::new())
    };
    assert_eq!(confirm(&first.secret).await, "WRONG_PROOF");
    assert_eq!(confirm(&second.secret).await, "");
    assert_eq!(confirm(&second.secret).await, "SECOND_FACTOR_STATE");
    let again = me.auth().enrol_totp(pb::EnrolTotpRequest {}).await.unwrap_err();
    assert_eq!(reason(&again), "SECOND_FACTOR_STATE", "nobody puts another in its place");
}

#[tokio::test]
async fn switching_it_off_asks_for_a_code_of_late_and_the_password_alone_is_no_proof() {
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let rosa = Newcomer::to(&world, "rosa").await;
    let me = rosa.sign_in().await;
    let (app, codes) = rosa.enrol(&me, hands.get()).await;
    hands.pass(SignedDuration::from_mins(16));
    let off = pb::DisableTotpRequest {};
    assert_eq!(reason(&me.auth().disable_totp(off).await.unwrap_err()), "STEP_UP_REQUIRED");
    let codes_again = pb::RegenerateRecoveryCodesRequest {};
    let refused = me.auth().regenerate_recovery_codes(codes_again).await.unwrap_err();
    assert_eq!(reason(&refused), "STEP_UP_REQUIRED");
    let step_up = async |password: &str, code: &str| {
        let request = pb::StepUpRequest {
            password: password.to_owned(),
            code: code.to_owned(),
        };
        me.auth().step_up(request).await
    };
    assert_eq!(reason(&step_up(DEMO_PASSWORD, "").await.unwrap_err()), "WRONG_PROOF");
    assert_eq!(reason(&step_up(DEMO_PASSWORD, "000").await.unwrap_err()), "WRONG_PROOF");
    let fresh = step_up("", &code(&app, hands.get())).await.unwrap().into_inner();
    step_up("", &codes[0]).await.expect("a recovery code is a proof too");
    let fresh = me.with(&fresh.access_token, world.replica.channel());
    fresh.auth().disable_totp(off).await.unwrap();
    assert_eq!(rosa.mails().await.last().unwrap().0, Purpose::SecondFactorOff);
    rosa.login(DEMO_PASSWORD, "").await.expect("the password is enough again");
    let left = world
        .database()
        .await
        .query_one("select count(*) from recovery_codes", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}
