//! What an envelope must refuse.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use flowforge_protocol::envelope::{
    MAX_SIGNATURES, OpenError, VerifyError, sign, sign_all, verify, verify_known,
};
use flowforge_protocol::grants::GRANT_SET_TYPE;
use flowforge_protocol::job::{JOB_TYPE, Job, Order};
use flowforge_protocol::known::KnownSignatures;
use flowforge_protocol::strict::StrictError;
use flowforge_protocol::{Signed, envelope};
use serde_json::{Value, json};

use crate::documents::{SCHEDULER, job, key};

const MAX: usize = 1 << 20;

fn envelope_of_job() -> String {
    envelope::sign_document(&job(), &key(SCHEDULER)).unwrap()
}

fn parts(envelope: &str) -> Value {
    serde_json::from_str(envelope).unwrap()
}

#[test]
fn the_signed_bytes_are_those_of_the_standard() {
    // DSSE's own example: the signature is over `DSSEv1 29 http://example.com/HelloWorld 11 hello world`.
    let signer = key(1);
    let envelope = parts(&sign("http://example.com/HelloWorld", b"hello world", &signer));
    let signature = STANDARD
        .decode(envelope["signatures"][0]["sig"].as_str().unwrap())
        .unwrap();
    let message = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
    assert!(
        signer
            .verifying_key()
            .verifies(message, &signature.try_into().unwrap())
    );
    assert_eq!(envelope["payload"], "aGVsbG8gd29ybGQ=");
}

#[test]
fn every_flipped_bit_is_refused_except_in_the_hint() {
    let good = envelope_of_job().into_bytes();
    let keys = [key(SCHEDULER).verifying_key()];
    let payload = verify(&good, JOB_TYPE, MAX, &keys).unwrap();
    let id = keys[0].id().to_string();
    let text = String::from_utf8(good.clone()).unwrap();
    let hint = text.find(&id).map(|at| at..at + id.len()).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let verified = verify(&bad, JOB_TYPE, MAX, &keys);
            if hint.contains(&at) {
                // The key id decides nothing, so it may be anything; but what comes out is what was signed.
                assert!(
                    verified.is_err() || verified.as_ref() == Ok(&payload),
                    "byte {at} bit {bit}"
                );
            } else {
                assert!(verified.is_err(), "byte {at} bit {bit} of {text}");
            }
        }
    }
}

#[test]
fn every_shortened_envelope_is_refused() {
    let good = envelope_of_job().into_bytes();
    let keys = [key(SCHEDULER).verifying_key()];
    for length in 0..good.len() {
        assert!(
            verify(&good[..length], JOB_TYPE, MAX, &keys).is_err(),
            "length {length}"
        );
    }
}

#[test]
fn a_document_of_one_kind_is_none_of_another() {
    let keys = [key(SCHEDULER).verifying_key()];
    let error = verify(envelope_of_job().as_bytes(), GRANT_SET_TYPE, MAX, &keys).unwrap_err();
    assert!(
        matches!(&error, VerifyError::WrongType { found, .. } if found == JOB_TYPE),
        "{error}"
    );
    // Relabelled, the signature no longer covers it.
    let mut relabelled = parts(&envelope_of_job());
    relabelled["payloadType"] = json!(GRANT_SET_TYPE);
    let error = verify(relabelled.to_string().as_bytes(), GRANT_SET_TYPE, MAX, &keys).unwrap_err();
    assert!(matches!(error, VerifyError::BadSignature { .. }), "{error}");
}

#[test]
fn a_key_that_is_not_listed_is_not_believed_whatever_its_hint() {
    let trusted = key(SCHEDULER).verifying_key();
    let forged = sign(JOB_TYPE, b"{}", &key(99));
    let error = verify(forged.as_bytes(), JOB_TYPE, MAX, std::slice::from_ref(&trusted)).unwrap_err();
    assert_eq!(
        error,
        VerifyError::UntrustedKey {
            hint: format!("key {}", key(99).verifying_key().id())
        }
    );
    assert!(matches!(
        verify(forged.as_bytes(), JOB_TYPE, MAX, &[]),
        Err(VerifyError::UntrustedKey { .. })
    ));
    let mut dressed = parts(&forged);
    dressed["signatures"][0]["keyid"] = json!(trusted.id());
    let error = verify(dressed.to_string().as_bytes(), JOB_TYPE, MAX, &[trusted]).unwrap_err();
    assert!(matches!(error, VerifyError::BadSignature { .. }), "{error}");
}

#[test]
fn a_missing_or_foreign_hint_does_not_matter() {
    let keys = [key(1).verifying_key(), key(SCHEDULER).verifying_key()];
    for hint in [json!(""), json!("anything"), json!(keys[0].id())] {
        let mut envelope = parts(&envelope_of_job());
        envelope["signatures"][0]["keyid"] = hint;
        let verified = verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys).unwrap();
        assert_eq!(verified.key_id(), keys[1].id());
    }
    let mut envelope = parts(&envelope_of_job());
    envelope["signatures"][0].as_object_mut().unwrap().remove("keyid");
    assert!(verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys).is_ok());
}

#[test]
fn one_good_signature_among_several_is_enough_and_their_number_is_bounded() {
    let keys = [key(SCHEDULER).verifying_key()];
    let foreign = parts(&sign(JOB_TYPE, b"{}", &key(99)))["signatures"][0].clone();
    let mut envelope = parts(&envelope_of_job());
    let signatures = envelope["signatures"].as_array_mut().unwrap();
    while signatures.len() < MAX_SIGNATURES {
        signatures.insert(0, foreign.clone());
    }
    assert!(verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys).is_ok());
    envelope["signatures"].as_array_mut().unwrap().push(foreign);
    let too_many = verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys);
    assert!(matches!(too_many, Err(VerifyError::Malformed(_))));
    envelope["signatures"] = json!([]);
    let none = verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys);
    assert!(matches!(none, Err(VerifyError::Malformed(_))));
}

#[test]
fn both_alphabets_are_read() {
    let signer = key(SCHEDULER);
    let keys = [signer.verifying_key()];
    // Bytes whose encoding needs the last two letters of the alphabet, and padding.
    let payload = [0xfb, 0xff, 0xfe, 0xff];
    let standard = parts(&sign(JOB_TYPE, &payload, &signer));
    let signature = STANDARD
        .decode(standard["signatures"][0]["sig"].as_str().unwrap())
        .unwrap();
    for engine in [STANDARD, URL_SAFE, URL_SAFE_NO_PAD] {
        let mut envelope = standard.clone();
        envelope["payload"] = json!(engine.encode(payload));
        envelope["signatures"][0]["sig"] = json!(engine.encode(&signature));
        let verified = verify(envelope.to_string().as_bytes(), JOB_TYPE, MAX, &keys).unwrap();
        assert_eq!(verified.payload(), payload);
    }
    let mut mixed = standard.clone();
    mixed["payload"] = json!("+_/-+w==");
    assert!(matches!(
        verify(mixed.to_string().as_bytes(), JOB_TYPE, MAX, &keys),
        Err(VerifyError::Malformed(_))
    ));
}

#[test]
fn unknown_and_repeated_fields_of_the_envelope_are_refused() {
    let keys = [key(SCHEDULER).verifying_key()];
    let good = envelope_of_job();
    let extra = good.replacen('{', r#"{"extra":1,"#, 1);
    let repeated = good.replacen('{', r#"{"payloadType":"x","#, 1);
    let inner = good.replacen(r#""sig""#, r#""sig":"","sig""#, 1);
    let trailing = format!("{good} x");
    for wrong in [
        extra,
        repeated,
        inner,
        trailing,
        String::new(),
        "[]".to_owned(),
        "null".to_owned(),
    ] {
        let error = verify(wrong.as_bytes(), JOB_TYPE, MAX, &keys).unwrap_err();
        assert!(matches!(error, VerifyError::Malformed(_)), "{wrong}: {error}");
    }
}

#[test]
fn size_is_checked_before_anything_is_decoded() {
    let signer = key(SCHEDULER);
    let keys = [signer.verifying_key()];
    let largest = sign(JOB_TYPE, &[b'x'; 1000], &signer);
    assert!(verify(largest.as_bytes(), JOB_TYPE, 1000, &keys).is_ok());
    let one_more = sign(JOB_TYPE, &[b'x'; 1001], &signer);
    let error = verify(one_more.as_bytes(), JOB_TYPE, 1000, &keys).unwrap_err();
    assert_eq!(
        error,
        VerifyError::TooLarge {
            actual_bytes: 1001,
            limit_bytes: 1000
        }
    );
    let garbage = vec![b'x'; 100_000];
    assert!(matches!(
        verify(&garbage, JOB_TYPE, 1000, &keys),
        Err(VerifyError::TooLarge { .. })
    ));
}

#[test]
fn a_good_signature_does_not_excuse_a_bad_document() {
    let signer = key(SCHEDULER);
    let keys = [signer.verifying_key()];
    let good: Value = serde_json::to_value(job()).unwrap();
    let mut unknown = good.clone();
    unknown["surprise"] = json!(1);
    let mut nested = good.clone();
    nested["order"]["surprise"] = json!(true);
    let twice = good.to_string().replacen('{', r#"{"epoch":2,"#, 1);
    let wide = good
        .to_string()
        .replacen("\"sequence\":7", "\"sequence\":18446744073709551616", 1);
    for wrong in [unknown.to_string(), wide, nested.to_string(), twice] {
        let envelope = sign(JOB_TYPE, wrong.as_bytes(), &signer);
        let error = Signed::<Job>::open(envelope.as_bytes(), &keys).unwrap_err();
        assert!(matches!(error, OpenError::Document(_)), "{wrong}: {error}");
    }
}

#[test]
fn what_no_reader_would_take_is_not_signed() {
    let mut deep = job();
    let Order::Start(start) = &mut deep.order else {
        panic!("the job starts a run")
    };
    start.input = (0..64).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(
        envelope::payload(&deep),
        Err(StrictError::TooDeep { .. })
    ));
    let mut large = job();
    large.workspace = "x".repeat(400 * 1024);
    assert!(matches!(
        envelope::sign_document(&large, &key(1)),
        Err(StrictError::TooLarge { .. })
    ));
}

/// One signature per document was an eighth of what a short run cost.
#[test]
fn documents_under_one_signature_are_verified_each_alone() {
    let signer = key(SCHEDULER);
    let keys = [signer.verifying_key()];
    for count in [1, 2, 3, 7, 64] {
        let payloads: Vec<Vec<u8>> = (0..count)
            .map(|n| format!("{{\"n\":{n}}}").into_bytes())
            .collect();
        let borrowed: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let envelopes = sign_all(JOB_TYPE, &borrowed, &signer);
        assert_eq!(envelopes.len(), count);
        let known = KnownSignatures::default();
        for (envelope, payload) in envelopes.iter().zip(&payloads) {
            for _ in 0..2 {
                let verified = verify_known(envelope.as_bytes(), JOB_TYPE, MAX, &keys, &known).unwrap();
                assert_eq!(verified.payload(), payload);
            }
            assert!(verify(envelope.as_bytes(), JOB_TYPE, MAX, &keys).is_ok(), "alone");
            let other = verify(envelope.as_bytes(), GRANT_SET_TYPE, MAX, &keys);
            assert!(matches!(other, Err(VerifyError::WrongType { .. })));
            let stranger = verify(envelope.as_bytes(), JOB_TYPE, MAX, &[key(9).verifying_key()]);
            assert!(matches!(stranger, Err(VerifyError::UntrustedKey { .. })));
        }
    }
    assert!(sign_all(JOB_TYPE, &[], &signer).is_empty());
}

/// A memory that knows the root must not let through what is not below it.
#[test]
fn a_known_root_carries_no_other_document_place_or_size() {
    let signer = key(SCHEDULER);
    let keys = [signer.verifying_key()];
    let envelopes = sign_all(JOB_TYPE, &[b"{\"n\":0}", b"{\"n\":1}", b"{\"n\":2}"], &signer);
    let known = KnownSignatures::default();
    for envelope in &envelopes {
        verify_known(envelope.as_bytes(), JOB_TYPE, MAX, &keys, &known).unwrap();
    }
    let good = parts(&envelopes[0]);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        verify_known(bad.to_string().as_bytes(), JOB_TYPE, MAX, &keys, &known)
    };
    let foreign = changed(&|bad| bad["payload"] = STANDARD.encode("{\"n\":9}").into());
    assert!(matches!(foreign, Err(VerifyError::BadSignature { .. })));
    let moved = changed(&|bad| bad["signatures"][0]["tree"]["index"] = 1.into());
    assert!(matches!(moved, Err(VerifyError::BadSignature { .. })));
    let sized = changed(&|bad| bad["signatures"][0]["tree"]["size"] = 4.into());
    assert!(matches!(sized, Err(VerifyError::BadSignature { .. })));
    let cut = changed(&|bad| bad["signatures"][0]["tree"]["path"] = json!([]));
    assert!(matches!(cut, Err(VerifyError::Malformed(_))));
    let bare = changed(&|bad| {
        bad["signatures"][0].as_object_mut().unwrap().remove("tree");
    });
    assert!(matches!(bare, Err(VerifyError::BadSignature { .. })));
}
