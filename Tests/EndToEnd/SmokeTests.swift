import Testing

@Suite(.server())
struct StartTests {
    @Test("an export is taken on, followed to its end and downloaded")
    func export() async throws {
        let ada = try await sharedServer().newUser("editor")
        try await ada.makeArticles(3)
        let answer = try await ada.post(User.exports, #"{"contentType": "article", "format": "csv"}"#)
        #expect(answer.status == 202)
    }
}
