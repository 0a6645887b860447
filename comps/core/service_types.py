"""The closed sets of OPEA's vocabulary: roles, kinds of service, and paths; values as OPEA has them."""

from __future__ import annotations

from enum import Enum


class ServiceRoleType(Enum):
    """Whether a service does one thing or coordinates others."""

    MICROSERVICE = 0
    MEGASERVICE = 1


class ServiceType(Enum):
    """What a service does. Clients and orchestrators compare the values, so none may change."""

    GATEWAY = 0
    EMBEDDING = 1
    RETRIEVER = 2
    RERANK = 3
    LLM = 4
    ASR = 5
    TTS = 6
    GUARDRAIL = 7
    VECTORSTORE = 8
    DATAPREP = 9
    UNDEFINED = 10
    RAGAS = 11
    LVM = 12
    KNOWLEDGE_GRAPH = 13
    WEB_RETRIEVER = 14
    IMAGE2VIDEO = 15
    TEXT2IMAGE = 16
    ANIMATION = 17
    IMAGE2IMAGE = 18
    TEXT2SQL = 19
    TEXT2GRAPH = 20
    TEXT2CYPHER = 21
    TEXT2KG = 22
    STRUCT2GRAPH = 23
    LANGUAGE_DETECTION = 24
    PROMPT_TEMPLATE = 25
    PROMPT_REGISTRY = 26
    TEXT2QUERY = 27
    ARB_POST_HEARING_ASSISTANT = 28


class MegaServiceEndpoint(Enum):
    """Paths of megaservices and of the OpenAI-compatible services; ``str()`` gives the path."""

    AVATAR_CHATBOT = "/v1/avatarchatbot"
    AUDIO_QNA = "/v1/audioqna"
    CHAT_QNA = "/v1/chatqna"
    EMBEDDINGS = "/v1/embeddings"
    TTS = "/v1/audio/speech"
    ASR = "/v1/audio/transcriptions"
    CHAT = "/v1/chat/completions"
    LIST_SERVICE = "/v1/list_service"
    LIST_PARAMETERS = "/v1/list_parameters"

    def __str__(self) -> str:
        """The path."""
        return self.value
