use super::*;

#[test]
fn combined_is_what_nginx_calls_so() {
    let nginx = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                 \"$http_referer\" \"$http_user_agent\"";
    let written = Format::template(nginx).unwrap();
    let combined = Format::combined();
    assert_eq!((combined.parts, combined.kept), (written.parts, written.kept));
}

#[test]
fn templates_are_taken_apart() {
    let format = Format::template("${status}ms:$request_method,$request_method-$http_x_a$").unwrap_err();
    assert_eq!(format, BadFormat::Malformed("after a dollar sign it needs the name of a variable"));
    let format = Format::template("${status}ms:$request_method,$request_method-$http_x_a").unwrap();
    assert_eq!(format.kept, [Asked::Method, Asked::Field("x_a".into())]);
    let text = |text: &str| Part::Text(text.as_bytes().into());
    let expected =
        [Part::Fact(Fact::Status), text("ms:"), Part::Kept(0), text(","), Part::Kept(0), text("-"), Part::Kept(1)];
    assert_eq!(format.parts, expected);
    assert!(!format.json && !format.tries);
    assert!(Format::template("$upstream_status").unwrap().tries);
}

#[test]
fn what_is_no_template_is_refused() {
    let unknown = |name: &str| BadFormat::Unknown(name.to_owned());
    assert_eq!(Format::template("$status $nope"), Err(unknown("nope")));
    assert_eq!(Format::template("$http_"), Err(unknown("http_")));
    for text in ["", "$", "a $ b", "${status", "${}", "$status\n", "\0$status"] {
        assert!(matches!(Format::template(text), Err(BadFormat::Malformed(_))), "{text:?}");
    }
}

#[test]
fn json_has_the_members_it_is_told_to() {
    let fields = ["status", "http_host"].map(|name| Variable::parse(name).unwrap());
    let format = Format::json(&fields);
    assert_eq!(format.as_str(), "json: status http_host");
    let text = |text: &str| Part::Text(text.as_bytes().into());
    let expected = [text("{\"status\":"), Part::Fact(Fact::Status), text(",\"http_host\":"), Part::Kept(0), text("}")];
    assert_eq!(format.parts, expected);
    let usual = Format::json(&[]);
    assert_eq!((usual.as_str(), usual.parts.len()), ("json", 2 * FIELDS.len() + 1));
}

#[test]
fn every_variable_has_one_name() {
    for name in Variable::names() {
        assert_eq!(Variable::parse(name).unwrap().name(), name.to_lowercase());
    }
}
