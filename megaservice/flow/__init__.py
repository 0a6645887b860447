"""The AvatarChatbot flow: question → transcript → sentences → speech → picture, streamed."""
