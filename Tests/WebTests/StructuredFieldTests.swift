import Testing

@testable import Web

@Suite struct StructuredFieldTests {
    @Test(
        "an item that is a whole number, or whether something is so, is told, with parameters or without",
        arguments: [("12", 12), (" 0 ", 0), ("-7", -7), ("007", 7), ("5;a;b=?1", 5), ("999999999999999", 999_999_999_999_999)])
    func integers(text: String, value: Int64) {
        #expect(StructuredField.integer([text]) == value)
    }

    @Test(
        "what is no such number is as good as not there",
        arguments: ["", "a", "1.5", "1e3", "+1", "--1", "1 2", "1,2", "1000000000000000", "?1", "\"1\"", ":MQ==:", "1;", "1;A"])
    func noIntegers(text: String) {
        #expect(StructuredField.integer([text]) == nil)
        #expect(StructuredField.integer(["1", "2"]) == nil, "two lines are a list")
    }

    @Test("booleans have one form")
    func booleans() {
        #expect(StructuredField.boolean(["?1"]) == true && StructuredField.boolean(["?0;x=1"]) == false)
        for text in ["1", "true", "?", "?2", "?1?1", "? 1", "?T"] { #expect(StructuredField.boolean([text]) == nil, "\(text)") }
    }

    @Test("a dictionary has its members whatever others stand beside them; the last one of a name counts")
    func dictionaries() {
        let found = StructuredField.dictionary([
            #"sha-256=:AAEC:, b, c=?0;p=1, d=(1 "two" three;q), e=@1659578233, f=%"f%c3%bc", g="a\"b", h=1.25"#,
            "sha-256=:AQ==:,i=*t/x",
        ])
        #expect(found?["sha-256"] == .bytes([1]) && found?["b"] == .boolean(true) && found?["c"] == .boolean(false))
        #expect(found?["d"] == .other && found?["e"] == .other && found?["f"] == .other && found?["h"] == .other)
        #expect(found?["g"] == .string(#"a"b"#) && found?["i"] == .token("*t/x"))
        #expect(StructuredField.dictionary([]) == [:])
    }

    @Test(
        "what is no dictionary is as good as not there",
        arguments: [
            "a=1,", "A=1", "a=", "a=1 b=2", "a=(1", "a=(1,2)", "a=\"x", "a=:!!:", "a=:AA", ",a", "a==1", "a=ü", "a=%\"%zz\"",
        ])
    func noDictionaries(text: String) {
        #expect(StructuredField.dictionary([text]) == nil)
    }
}
