# The web demo. `docker build -t grounding-app . && docker run -p 7860:7860 grounding-app`
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 demo
WORKDIR /home/demo/grounding
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY grounding grounding
# --build-arg PIP_OPTIONS="--extra-index-url ..." takes torch from an index of builds without CUDA, which are smaller
ARG PIP_OPTIONS=""
RUN pip install --no-cache-dir $PIP_OPTIONS '.[app]' -c constraints.txt
COPY app app
COPY docs/api.md docs/api.md
USER demo
EXPOSE 7860
CMD ["python", "-m", "app", "--host", "0.0.0.0"]
