import MillraceCore
import Testing

@Suite("Hexadecimal")
struct HexadecimalTests {
    @Test("Bytes become digits and come back; other text is none")
    func roundTrip() {
        let bytes = Array(UInt8.min...UInt8.max)
        #expect(bytes.hexadecimal.hasPrefix("000102") && bytes.hexadecimal.hasSuffix("fdfeff"))
        #expect([UInt8](hexadecimal: bytes.hexadecimal) == bytes)
        #expect([UInt8](hexadecimal: "aAfF") == [0xAA, 0xFF] && [UInt8](hexadecimal: "") == [])
        for text in ["a", "0g", "0x", "é0", "+1", " 1"] { #expect([UInt8](hexadecimal: text) == nil, "\(text)") }
    }
}
