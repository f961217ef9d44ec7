import Testing

@testable import Web

@Suite struct DispositionFieldTests {
    @Test(
        "a name is taken as it was written, and the encoded one before the other",
        arguments: [
            (#"inline; filename="a b.txt""#, "a b.txt"), ("attachment;filename=a.txt", "a.txt"),
            (#"inline; filename="x"; filename*=UTF-8''p%C3%A4ss.txt"#, "päss.txt"), (#"inline; filename="a\"b""#, "a\"b"),
            (#"inline; filename="x"; filename*=utf-8''%ff"#, "x"), (#"inline; filename="../../etc/passwd""#, "../../etc/passwd"),
        ])
    func names(text: String, name: String) {
        #expect(DispositionField(text)?.filename == name)
    }

    @Test("what is no such field has no name", arguments: ["", "inline; filename", "inline; filename=a b", "a b; filename=x"])
    func none(text: String) {
        #expect(DispositionField(text)?.filename == nil)
    }
}
