use serde_json::json;

use super::*;

fn read_all(text: &str, format: Format, ignored: &[&str]) -> Result<Vec<Row>, String> {
    let ignored = ignored.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    read(text.as_bytes(), format, "keys", &ignored).map_err(|error| error.to_string())
}

fn lines(text: &str) -> Vec<u64> {
    read_all(text, Format::Csv, &[]).unwrap().iter().map(|row| row.line).collect()
}

#[test]
fn tables() {
    let text = "name,subject,key,scopes,expires_at,metadata\n\
        CI, project:proj_1 ,sk_secret_1,run:create *:read,2027-01-31,team=a; x=y\n\
        \"Old, one\",account:acct_1,sk_secret_2,,,\n";
    let rows = read_all(text, Format::Csv, &[]).unwrap();
    assert_eq!((rows.len(), rows[0].line, rows[1].line), (2, 2, 3));
    let first = rows[0].fields.as_ref().unwrap();
    assert_eq!(first["scopes"], json!(["run:create", "*:read"]));
    assert_eq!((&first["expires_at"], &first["subject"]), (&json!("2027-01-31"), &json!("project:proj_1")));
    assert_eq!(first["metadata"], json!({"team": "a", "x": "y"}));
    assert_eq!(rows[1].name(), "Old, one");
    let second = rows[1].fields.as_ref().unwrap();
    assert_eq!(second.len(), 3, "an empty cell is no field: {second:?}");
}

/// The numbers that an editor shows.
#[test]
fn lines_are_those_of_the_file() {
    let head = "name,subject,key";
    assert_eq!(lines(&format!("{head}\na,b,c\nd,e,f\n")), [2, 3]);
    assert_eq!(lines(&format!("{head}\r\na,b,c\r\nd,e,f\r\n")), [2, 3]);
    assert_eq!(lines(&format!("\u{feff}{head}\r\na,b,c\r\n")), [2]);
    assert_eq!(lines(&format!("{head}\n\n\na,b,c\n\nd,e,f")), [4, 6]);
    assert_eq!(lines(&format!("\r\n{head}\r\n\r\na,b,c\r\n\r\n\r\nd,e,f\r\n")), [4, 7]);
    assert_eq!(lines(&format!("{head}\n\"a\nb\nc\",b,c\nd,e,f\n")), [2, 5], "a cell of three lines");
    assert_eq!(lines(&format!("{head}\r\n\"a\r\nb\",b,c\r\n,,\r\n  \r\nd,e,f\r\n")), [2, 6]);
    assert_eq!(lines(&format!("{head}\ra,b,c\rd,e,f\r")), [2, 3], "as old spreadsheets end lines");
}

#[test]
fn what_is_wrong_with_a_row_ends_nothing() {
    let rows =
        read_all("name,subject,key,metadata\na,b,c\nd,e,f,g\nh,i,j,x=y\nk,l,m,n,o\n", Format::Csv, &[])
            .unwrap();
    let outcomes = rows.iter().map(|row| (row.line, row.fields.as_ref().err().cloned())).collect::<Vec<_>>();
    let cells = |n| Some(format!("the row has {n} cells, and the first line names 4"));
    let metadata = Some("metadata: write name=value, separated by ;".to_owned());
    assert_eq!(outcomes, [(2, cells(3)), (3, metadata), (4, None), (5, cells(5))]);
    let bytes = [b"name,subject,key\na,b,\xff\nc,d,e\n".as_slice()].concat();
    let rows = read(bytes.as_slice(), Format::Csv, "keys", &[]).unwrap();
    assert_eq!(rows[0].fields, Err("key: not text in UTF-8".to_owned()));
    assert!(rows[1].fields.is_ok());
    let open = read_all("name,subject,key\na,b,c\nd,\"e,f\ng,h,i\n", Format::Csv, &[]).unwrap();
    assert!(open[0].fields.is_ok() && open[1].line == 3);
    assert!(open[1].fields.as_ref().unwrap_err().starts_with("a quote is opened here and never closed"));
    let large = format!("name,subject,key\na,b,{}\nc,d,e\n", "x".repeat(70_000));
    let rows = read_all(&large, Format::Csv, &[]).unwrap();
    assert!(rows[0].fields.as_ref().unwrap_err().contains("64 KiB") && rows[1].fields.is_ok());
}

#[test]
fn lines_of_json() {
    let text = "\u{feff}{\"name\":\"CI\",\"subject\":\"operator\",\"sha256\":\"ab\"}\r\n\r\n{\"name\":1}\nsk_secret\n[1]\n{\"owner\":1}\n{\"sk_secret_0123456\":1}";
    let rows = read_all(text, Format::Jsonl, &[]).unwrap();
    let read = rows.iter().map(|row| (row.line, row.fields.is_ok())).collect::<Vec<_>>();
    assert_eq!(read, [(1, true), (3, true), (4, false), (5, false), (6, false), (7, false)]);
    assert!(rows[0].is_by_digest() && !rows[1].is_by_digest());
    let why = rows.iter().filter_map(|row| row.fields.clone().err()).collect::<Vec<_>>();
    assert_eq!(
        why,
        [
            "this line is not JSON (column 1)",
            "a row is a JSON object: {…}",
            "owner: unknown field; rename it to `subject`, or leave it out with --ignore-column owner",
            "unknown field; leave it out with --ignore-column NAME",
        ]
    );
    let rows = read_all("{\"name\":\"CI\",\"owner\":1}", Format::Jsonl, &["Owner"]).unwrap();
    assert_eq!(rows[0].fields.as_ref().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_with_the_whole_file_ends_it() {
    let check = |text: &str, format: Format, expect: &str| {
        let why = read_all(text, format, &[]).map(|_| ()).unwrap_err();
        assert!(why.contains(expect) && !why.contains("sk_secret"), "{text}: {why}");
    };
    check("name,subject,key,team\n", Format::Csv, "unknown column `team`");
    check("name,subject,key,sk_secret_012345678\n", Format::Csv, "unknown column in the first line");
    check("name,subject,key,restrictions\n", Format::Csv, "`restrictions` cannot be written in CSV");
    check("name,subject,key,Name\n", Format::Csv, "the column `name` stands twice");
    check("name,key\nn,sk_secret\n", Format::Csv, "there is no column `subject`");
    check("name,subject\nn,sk_secret\n", Format::Csv, "there is no column `key`, nor `sha256`");
    check("name;subject;key\n", Format::Csv, "not separated by commas");
    check("\n[{\"name\":1}]", Format::Jsonl, "one JSON array");
    let wide = "n\0a\0m\0e\0";
    let bytes = [&[0xff, 0xfe], wide.as_bytes()].concat();
    let why = read(bytes.as_slice(), Format::Csv, "keys", &[]).map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("UTF-16"), "{why}");
}

#[test]
fn columns_are_ignored_by_name() {
    let text = "Name,Subject,Key,Team,created_at\na,b,c,d,e\n";
    let rows = read_all(text, Format::Csv, &["team", "CREATED_AT"]).unwrap();
    let fields = rows[0].fields.as_ref().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["key", "name", "subject"]);
}

#[test]
fn the_name_of_a_file_says_its_form() {
    let check =
        |name: &str, expect: Option<Format>| assert_eq!(Format::of(Path::new(name)).ok(), expect, "{name}");
    check("keys.csv", Some(Format::Csv));
    check("KEYS.CSV", Some(Format::Csv));
    check("keys.JSONL", Some(Format::Jsonl));
    check("keys.ndjson", Some(Format::Jsonl));
    check("keys.txt", None);
}

#[test]
fn an_unknown_column_comes_with_what_to_do() {
    let check = |column: &str, expect: &str| {
        let failure = unknown_column("keys.csv", column);
        let told = format!("{}. {}", failure.message, failure.hint.unwrap_or_default());
        assert!(told.contains(expect), "{column}: {told}");
        assert!(!told.contains("sk_secret"), "{told}");
    };
    check("restrictions", "`restrictions` cannot be written in CSV. Use JSON Lines; without them");
    check(
        "owner",
        "unknown column `owner`. Rename it to `subject`, or leave it out with --ignore-column owner.",
    );
    check("authority", "Rename it to `subject`");
    check("scope", "Rename it to `scopes`");
    check("team", "Leave it out with --ignore-column team. Columns are: key, sha256, name, subject");
    check(
        "sk_secret_0123456789",
        "unknown column in the first line. Leave it out with --ignore-column NAME.",
    );
}
