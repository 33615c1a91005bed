//! The examples of RFC 7541 appendix C, and blocks that are none.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Result<String, CompressionError> {
    let mut fields = FieldList::new(1 << 20);
    decoder.decode(block, &mut fields)?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(fields.iter().map(|(name, value)| format!("{}={}\n", text(name), text(value))).collect())
}

/// Each block, its fields, and the size of the table after it.
fn assert_blocks(blocks: &[(&str, &str, usize)]) {
    let mut decoder = Decoder::default();
    for (hex, fields, size) in blocks {
        assert_eq!(read(&mut decoder, &bytes(hex)).as_deref(), Ok(*fields), "{hex}");
        assert_eq!(decoder.table_size(), *size, "{hex}");
    }
}

#[test]
fn single_fields_of_appendix_c_2() {
    assert_blocks(&[(
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        "custom-key=custom-header\n",
        55,
    )]);
    assert_blocks(&[("040c 2f73 616d 706c 652f 7061 7468", ":path=/sample/path\n", 0)]);
    assert_blocks(&[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password=secret\n", 0)]);
    assert_blocks(&[("82", ":method=GET\n", 0)]);
}

const FIRST: &str = ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\n";
const SECOND: &str =
    ":method=GET\n:scheme=http\n:path=/\n:authority=www.example.com\ncache-control=no-cache\n";
const THIRD: &str = ":method=GET\n:scheme=https\n:path=/index.html\n:authority=www.example.com\n\
                     custom-key=custom-value\n";

#[test]
fn requests_of_appendix_c_3_and_4() {
    assert_blocks(&[
        ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", FIRST, 57),
        ("8286 84be 5808 6e6f 2d63 6163 6865", SECOND, 110),
        ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", THIRD, 164),
    ]);
    assert_blocks(&[
        ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", FIRST, 57),
        ("8286 84be 5886 a8eb 1064 9cbf", SECOND, 110),
        ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", THIRD, 164),
    ]);
}

#[test]
fn a_field_may_be_in_the_table_twice() {
    let added = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    let field = "custom-key=custom-header\n";
    assert_blocks(&[(added, field, 55), (added, field, 110), ("bebf", &field.repeat(2), 110)]);
}

/// Appendix C.5 and C.6: a table of 256 bytes evicts.
#[test]
fn responses_of_appendix_c_5_and_6() {
    let first = ":status=302\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:21 GMT\n\
                 location=https://www.example.com\n";
    let second = first.replace("302", "307");
    let third = ":status=200\ncache-control=private\ndate=Mon, 21 Oct 2013 20:13:22 GMT\n\
                 location=https://www.example.com\ncontent-encoding=gzip\n\
                 set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n";
    // 3fe101: a table of 256 bytes.
    assert_blocks(&[
        (
            "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 \
             303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            first,
            222,
        ),
        ("4803 3330 37c1 c0bf", &second, 222),
        (
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
             677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
             553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
            third,
            215,
        ),
    ]);
    assert_blocks(&[
        (
            "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
             ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            first,
            222,
        ),
        ("4883 640e ffc1 c0bf", &second, 222),
        (
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
             821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
             4ee5 b106 3d50 07",
            third,
            215,
        ),
    ]);
}

#[test]
fn what_is_no_block_is_an_error() {
    let cases: [(&str, &[u8]); 15] = [
        ("index 0", &[0x80]),
        ("an index beyond the table", &[0xbe]),
        ("a name beyond the table", &[0x7e, 1, b'x']),
        ("an index beyond a table with one field", &[0x40, 1, b'a', 1, b'b', 0xbe, 0xbf]),
        ("a name beyond a table with one field", &[0x40, 1, b'a', 1, b'b', 0x7f, 0, 1, b'x']),
        ("a literal without a name", &[0x40]),
        ("a literal without a value", &[0x40, 1, b'a']),
        ("a value that ends early", &[0x40, 1, b'a', 2, b'b']),
        ("an integer that does not end", &[0x40, 0x7f, 0xff]),
        ("an integer that is too large", &[0x40, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("a size behind a field", &[0x82, 0x20]),
        ("a table larger than agreed", &[0x3f, 0xe2, 0x1f]),
        ("padding of a byte", &[0x00, 0x82, 0xf8, 0xff, 0]),
        ("padding of zeros", &[0x00, 0x81, 0x00, 0]),
        ("the end of string within one", &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0]),
    ];
    for (what, block) in cases {
        assert_eq!(read(&mut Decoder::default(), block), Err(CompressionError), "{what}");
    }
}

#[test]
fn each_beginning_of_a_block_is_an_error_or_a_shorter_block() {
    let block =
        bytes("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff40 8825 a849 e95b a97d 7f89 25a8 49e9 5bb8 e8b4 bf");
    let whole = read(&mut Decoder::default(), &block).unwrap();
    for end in 0..block.len() {
        if let Ok(fields) = read(&mut Decoder::default(), &block[..end]) {
            assert!(whole.starts_with(&fields), "{end}: {fields}");
        }
    }
}

#[test]
fn the_table_is_bounded_and_may_be_emptied() {
    let mut decoder = Decoder::default();
    for n in 0..1000u16 {
        let mut block = vec![0x40, 6];
        block.extend(format!("x{n:05}").bytes());
        block.extend([1, b'v']);
        read(&mut decoder, &block).unwrap();
        assert!(decoder.table_size() <= 4096);
    }
    assert_eq!(read(&mut decoder, &[0xbe]).as_deref(), Ok("x00999=v\n"));
    assert_eq!(read(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0x82]).as_deref(), Ok(":method=GET\n"));
    assert_eq!(decoder.table_size(), 0);
    assert_eq!(read(&mut decoder, &[0xbe]), Err(CompressionError));
    // What is larger than the table empties it.
    let mut decoder = Decoder::default();
    read(&mut decoder, &[0x40, 1, b'a', 1, b'b']).unwrap();
    let mut block = vec![0x40, 1, b'a', 0x7f, 0x81, 0x3f];
    block.extend([b'x'; 8192]);
    assert_eq!(read(&mut decoder, &block).unwrap().len(), 8195);
    assert_eq!(decoder.table_size(), 0);
}

/// A block that names a large entry again and again costs no memory beyond the list's limit.
#[test]
fn a_bomb_fills_no_list() {
    let mut decoder = Decoder::default();
    let mut block = vec![0x40, 1, b'a', 0x7f, 0x81, 0x1e];
    block.extend([b'x'; 4000 - 32]);
    let length = block.len();
    block.truncate(length);
    block.extend([0xbe; 50_000]);
    let mut fields = FieldList::new(32 * 1024);
    // The literal says that it has 127 + 0x81 - 0x80 + 0x1e * 128 bytes.
    assert_eq!(decoder.decode(&block, &mut fields), Ok(()));
    assert!(fields.is_over());
    let kept: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(kept <= 32 * 1024, "{kept}");
}
